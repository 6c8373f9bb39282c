#include "node_log.hpp"

#include <spdlog/pattern_formatter.h>

#include "secbeat/base/text.hpp"

namespace secbeat::agent {
namespace {

constexpr char kText = '*';  // in the pattern

class HarmlessText final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string text = harmless({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<HarmlessText>();
  }
};

}  // namespace

std::unique_ptr<spdlog::formatter> log_formatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<HarmlessText>(kText).set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %*");
  return formatter;
}

}  // namespace secbeat::agent
