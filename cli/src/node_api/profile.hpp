// Which node to talk to, and with which key: from flags, the environment, or a file of profiles.
//
//   default = "local"                     # the profile when none is named
//   [profiles.local]
//   api = "http://127.0.0.1:9090"
//   state_dir = "/run/secbeat"          # for break-glass without an agent
//   [profiles.edge-1]
//   api = "https://edge-1.example:9090"
//   key_file = "edge-1.key"               # or key = "...": the key itself
//   ca = "edge-ca.pem"                    # who signed its certificate, where the machine does not know
//
// A profile's key goes to that profile's address and nowhere else. Keys are never printed.
//
// Thread safety: free functions without shared state.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/base/error.hpp"

namespace secbeat::cli {

inline constexpr std::string_view kDefaultAddress = "http://127.0.0.1:9090";
inline constexpr std::string_view kOrchestratorAddress = "http://127.0.0.1:8080";

struct Target {
  std::string address{kDefaultAddress};
  std::string key;           // empty: none
  std::string state_dir;     // of a node on this machine; empty: none is named
  std::filesystem::path ca;  // who may have signed the node's certificate; empty: those whom the machine trusts
  std::vector<std::string> warnings;  // for standard error
};

struct Profile {
  std::string api;
  std::string key;
  std::filesystem::path key_file;  // absolute, as is the next; empty: not given
  std::filesystem::path ca;
  std::string state_dir;
};

struct Profiles {
  std::string default_name;  // empty: none
  std::map<std::string, Profile, std::less<>> by_name;
};

// What the user said; an empty text is what was not said.
struct Choice {
  std::string api{};             // --api
  std::string profile{};         // --profile
  std::string key_file{};        // --key-file
  std::string ca{};              // --ca
  std::string env_api{};         // SECBEAT_API
  std::string env_profile{};     // SECBEAT_PROFILE
  std::string env_key{};         // SECBEAT_KEY
  std::string env_ca{};          // SECBEAT_CA
  std::filesystem::path file{};  // of profiles; empty: there is no home directory
};

// The environment's part of a choice.
Choice choice_from_environment();

// In this order: --api, --profile, SECBEAT_API, SECBEAT_PROFILE, the file's default, kDefaultAddress. The file is read
// only where the order comes to it. The key is that of --key-file, else SECBEAT_KEY, else the profile's; the same for
// ca. kConfig says what to do.
Result<Target> choose_target(const Choice& choice);

// `file` only names it. kConfig: "<file>:<line>: <key>: <what is wrong>".
Result<Profiles> parse_profiles(std::string_view text, const std::filesystem::path& file);

// http or https, a host, perhaps a port and a path; without user, password, query and fragment. Without '/' at the end.
Result<std::string> checked_address(std::string_view text);

}  // namespace secbeat::cli
