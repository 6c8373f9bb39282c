// What a start makes of files of the data directory that cannot be used. They are set aside, never deleted: the node
// serves without them, says what it did, and a person can still look.
//
// Thread safety: free functions, called by the start only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "chain_state.hpp"
#include "ledger.hpp"
#include "secbeat/base/error.hpp"
#include "version_store.hpp"

namespace secbeat::agent {

struct UsableLedger {
  std::unique_ptr<Ledger> ledger;
  std::string said;  // what had to be done to have one; empty: nothing
};

// The ledger of the file. One that is damaged, foreign or of a newer build is set aside and begun anew; where the disk
// takes none it is kept in memory.
Result<UsableLedger> open_usable_ledger(const std::filesystem::path& file);

// Renames a file, and for a database what belongs to it, to a name beside it that is free; the new path.
Result<std::filesystem::path> set_aside(const std::filesystem::path& file);

// The document that the ledger remembers, with versions whose files are there; empty where it remembers none.
Result<control::InForce> document_of_ledger(const Ledger& ledger, const VersionStore& store, std::uint32_t keep);

}  // namespace secbeat::agent
