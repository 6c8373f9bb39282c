// Whether the archive can be reached.
#include "doctor_parts.hpp"
#include "secbeat/archive/storage.hpp"

namespace secbeat::agent {

void examine_archive(const Config& config, Findings& findings) {
  if (config.archive.bucket.empty()) return;  // a folder is made where it is missing
  using namespace std::chrono_literals;
  const archive::Patience short_of_it{.connect = 3s, .silent = 5s, .whole = 10s, .attempts = 1};
  const auto checked = archive::open_storage(config.archive, short_of_it)->check();
  // A node runs without it, and catches up.
  findings.push_back({"archive", checked ? Health::kOk : Health::kWarning, to_text(config.archive),
                      checked ? "" : checked.error().message});
}

}  // namespace secbeat::agent
