// The sources of universal-waf, run here: an orchestrator says what the module would say before any node is asked.
#include <memory>
#include <mutex>
#include <vector>

#include "module.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/orchestrator/fleet_rules.hpp"

namespace secbeat::orchestrator {
namespace {

// What a module takes of memory lasts as long as the check. The module's way to ask for it has no context.
class Blocks {
 public:
  Blocks() : turn_(mutex()) {}
  ~Blocks() { all().clear(); }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;

  static char* more(std::size_t size) {
    all().push_back(std::make_unique_for_overwrite<std::byte[]>(size));  // NOLINT: bytes of unknown number
    return reinterpret_cast<char*>(all().back().get());
  }

 private:
  static std::vector<std::unique_ptr<std::byte[]>>& all() {   // NOLINT: the same
    static std::vector<std::unique_ptr<std::byte[]>> blocks;  // NOLINT: the same
    return blocks;
  }
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }

  const std::scoped_lock<std::mutex> turn_;
};

}  // namespace

Result<void> check_rules(std::string_view document) {
  const Blocks blocks;
  waf::host_memory = &Blocks::more;
  const auto module = std::make_unique<waf::Module>(&Blocks::more);
  const auto configured = module->configure({document.data(), document.size()});
  if (configured.accepted) return {};
  return fail(ErrorCode::kConfigureFailed, "The module refuses its configuration: " +
                                               std::string(configured.reason.data(), configured.reason.size()));
}

}  // namespace secbeat::orchestrator
