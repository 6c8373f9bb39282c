#include "secbeat/worker/worker.hpp"

#include <sys/eventfd.h>

#include <utility>

#include "secbeat/base/unique_fd.hpp"

namespace secbeat::worker {
namespace {

class NoModules final : public Worker {
 public:
  explicit NoModules(UniqueFd wake) : wake_(std::move(wake)) {}

  [[nodiscard]] int wake_fd() const noexcept override { return wake_.get(); }
  void on_wake() noexcept override {}
  [[nodiscard]] bool needs_body() const noexcept override { return false; }
  [[nodiscard]] std::uint64_t max_body_bytes() const noexcept override { return control::InForce{}.max_body_bytes; }
  [[nodiscard]] control::BodyOverLimit body_over_limit() const noexcept override {
    return control::BodyOverLimit::kInspect;
  }
  [[nodiscard]] bool has_modules() const noexcept override { return false; }
  Decision decide(const engine::RequestView& /*request*/) noexcept override { return {}; }
  void stop() noexcept override {}

 private:
  UniqueFd wake_;
};

}  // namespace

Result<std::unique_ptr<Worker>> Worker::start(Options /*options*/) {
  UniqueFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake) return std::unexpected(io_error("eventfd"));
  return std::make_unique<NoModules>(std::move(wake));
}

}  // namespace secbeat::worker
