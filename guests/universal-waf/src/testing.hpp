// Frames and modules for tests and tools on the host.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "module.hpp"

namespace secbeat::waf::testing {

struct TestRequest {
  std::string method = "GET";
  std::string uri = "/";
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::string source_ip = "192.0.2.7";
  std::uint64_t now_unix_ms = 1'764'216'000'000;
};

// A frame as docs/abi.md lays it out.
inline std::vector<char> frame_of(const TestRequest& request) {
  abi::Frame frame{};
  std::string bytes;
  const auto table = request.headers.size() * sizeof(abi::FrameHeaderField);
  const auto put = [&](std::string_view text) {
    const abi::Span span{static_cast<std::uint32_t>(sizeof frame + table + bytes.size()),
                         static_cast<std::uint32_t>(text.size())};
    bytes.append(text);
    return span;
  };
  frame.magic = abi::kFrameMagic;
  frame.fixed_len = sizeof frame;
  frame.now_unix_ms = request.now_unix_ms;
  frame.body_total_len = request.body.size();
  frame.method = put(request.method);
  frame.uri = put(request.uri);
  frame.version = put("HTTP/1.1");
  frame.source_ip = put(request.source_ip);
  frame.body = put(request.body);
  frame.header_count = static_cast<std::uint32_t>(request.headers.size());
  frame.headers_off = sizeof frame;
  std::vector<abi::FrameHeaderField> fields;
  fields.reserve(request.headers.size());
  for (const auto& [name, value] : request.headers) fields.push_back({put(name), put(value)});
  frame.total_len = static_cast<std::uint32_t>(sizeof frame + table + bytes.size());
  std::vector<char> out(frame.total_len);
  std::memcpy(out.data(), &frame, sizeof frame);
  if (table > 0) std::memcpy(out.data() + sizeof frame, fields.data(), table);
  std::memcpy(out.data() + sizeof frame + table, bytes.data(), bytes.size());
  return out;
}

inline std::string text_of(guest::StringView view) { return {view.data(), view.size()}; }

// "Block rule-id", or "Allow" where no rule decided.
struct Verdict {
  std::string text;
  std::string message;
};

// A module with a configuration. What it takes of memory stays until forget_modules().
inline std::vector<std::unique_ptr<char[]>>& blocks() {  // NOLINT: bytes of unknown number
  static std::vector<std::unique_ptr<char[]>> all;       // NOLINT: the same
  return all;
}
inline char* new_block(std::size_t size) {
  return blocks().emplace_back(std::make_unique_for_overwrite<char[]>(size)).get();  // NOLINT: the same
}
// REQUIRES: no module is used any more.
inline void forget_modules() { blocks().clear(); }

class ConfiguredModule {
 public:
  explicit ConfiguredModule(std::string_view document) : module_(std::make_unique<Module>(new_block)) {
    host_memory = new_block;
    const auto configured = module_->configure({document.data(), document.size()});
    if (!configured.accepted) fault_ = text_of(configured.reason);
  }

  [[nodiscard]] const std::string& fault() const { return fault_; }
  [[nodiscard]] Module& module() { return *module_; }

  Verdict decide(const TestRequest& request) {
    static constexpr const char* kWords[] = {"Allow", "Block", "Log", "RateLimit"};
    const auto frame = frame_of(request);
    const auto decision = module_->inspect(guest::Request(frame.data(), frame.size()));
    const std::string rule = text_of(decision.rule);
    return {kWords[static_cast<int>(decision.verdict)] + (rule.empty() ? "" : " " + rule), text_of(decision.message)};
  }

 private:
  std::unique_ptr<Module> module_;
  std::string fault_;
};

}  // namespace secbeat::waf::testing
