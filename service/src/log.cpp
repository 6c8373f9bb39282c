#include "secbeat/service/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "secbeat/base/text.hpp"

namespace secbeat::service {
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

void log_to_standard_error(const std::string& level) {
  auto logger = std::make_shared<spdlog::logger>("secbeat", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(log_formatter());
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace secbeat::service
