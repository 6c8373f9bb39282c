#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "secbeat/engine/compile.hpp"
#include "utf8.hpp"

namespace secbeat::engine {
namespace {

using Json = nlohmann::json;

// The report, its inventory, a rule, its tags. Printing what is deeper, and destroying it, would go as deep.
constexpr int kDeepest = 4;
constexpr std::size_t kMaxReasonBytes = 256;  // of the JSON library's sentence, which quotes what it read last

struct Fault {
  std::string what;
};

std::string text_in(const Json& text, std::string_view what) {
  if (!text.is_string() || text.get_ref<const std::string&>().size() > kMaxReportTextBytes) {
    throw Fault{fmt::format("\"{}\" is no text of at most {} bytes", what, kMaxReportTextBytes)};
  }
  return text.get<std::string>();
}

std::string text_of(const Json& json, const char* key) { return text_in(json.at(key), key); }

// Becomes the name of a file; empty where there is none.
std::string sha256_of(const Json& json, const char* key) {
  std::string text = text_of(json, key);
  const bool hex = text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!text.empty() && (text.size() != 64 || !hex)) throw Fault{fmt::format("\"{}\" is no SHA-256", key)};
  return text;
}

std::uint64_t number_of(const Json& json, const char* key) {
  const Json& number = json.at(key);
  if (!number.is_number_unsigned()) throw Fault{fmt::format("\"{}\" is no whole number", key)};
  return number.get<std::uint64_t>();
}

double milliseconds_of(const Json& json, const char* key) {
  const Json& number = json.at(key);
  if (!number.is_number() || number.get<double>() < 0) throw Fault{fmt::format("\"{}\" is no time", key)};
  return number.get<double>();
}

int abi_of(const Json& json) {
  const std::uint64_t abi = number_of(json, "abi");
  if (abi != 1 && abi != 2) throw Fault{"\"abi\" is neither 1 nor 2"};
  return static_cast<int>(abi);
}

std::vector<std::string> warnings_of(const Json& json) {
  const Json& list = json.at("warnings");
  if (!list.is_array() || list.size() > kMaxReportWarnings) {
    throw Fault{fmt::format("\"warnings\" is no list of at most {} texts", kMaxReportWarnings)};
  }
  std::vector<std::string> warnings;
  for (const Json& warning : list) warnings.push_back(text_in(warning, "warnings"));
  return warnings;
}

Inventory inventory_of(const Json& rules) {
  auto inventory = read_inventory(rules.dump());  // as strictly as the module's own text
  if (!inventory) throw Fault{"inventory: " + inventory.error().message};
  return *std::move(inventory);
}

RuleTestReport rule_tests_of(const Json& json) {
  RuleTestReport tests{.run = number_of(json, "run"),
                       .not_run = number_of(json, "not_run"),
                       .failed = number_of(json, "failed"),
                       .failures = {}};
  const Json& list = json.at("failures");
  if (!list.is_array() || list.size() > kMostFailuresTold) {
    throw Fault{fmt::format("\"failures\" is no list of at most {} tests", kMostFailuresTold)};
  }
  for (const Json& one : list)
    tests.failures.push_back({text_of(one, "name"), text_of(one, "expected"), text_of(one, "got")});
  return tests;
}

CompileReport report_of(const Json& json) {
  CompileReport report;
  if (const auto error = json.find("error"); error != json.end()) {
    report.error = Error{code_of(text_of(*error, "code")), text_of(*error, "message")};
  }
  report.artifact_sha256 = sha256_of(json, "artifact_sha256");
  report.artifact_bytes = number_of(json, "artifact_bytes");
  report.abi = abi_of(json);
  report.exports_configure = json.at("exports_configure").get<bool>();
  report.needs_body = json.at("needs_body").get<bool>();
  report.validate_ms = milliseconds_of(json, "validate_ms");
  report.compile_ms = milliseconds_of(json, "compile_ms");
  report.rehearse_ms = milliseconds_of(json, "rehearse_ms");
  report.warnings = warnings_of(json);
  if (json.contains("counting_sha256")) report.counting_sha256 = sha256_of(json, "counting_sha256");
  if (const auto cost = json.find("cost"); cost != json.end()) {
    report.cost = Cost{number_of(*cost, "fuel"), text_of(*cost, "request"), cost->at("at_least").get<bool>()};
  }
  if (const auto rules = json.find("inventory"); rules != json.end()) report.inventory = inventory_of(*rules);
  if (const auto tests = json.find("rule_tests"); tests != json.end()) report.rule_tests = rule_tests_of(*tests);
  return report;
}

std::string cut(std::string_view text) { return repaired_utf8(text, kMaxReportTextBytes); }

Json json_of(const RuleTestReport& tests) {
  Json failures = Json::array();
  for (const FailedRuleTest& one : tests.failures) {
    failures.push_back({{"name", cut(one.name)}, {"expected", cut(one.expected)}, {"got", cut(one.got)}});
  }
  return {{"run", tests.run}, {"not_run", tests.not_run}, {"failed", tests.failed}, {"failures", std::move(failures)}};
}

}  // namespace

std::string to_json(const CompileReport& report) {
  Json warnings = Json::array();
  for (const std::string& warning : report.warnings) {
    if (warnings.size() < kMaxReportWarnings) warnings.push_back(cut(warning));
  }
  Json json = {
      {"artifact_sha256", report.artifact_sha256},
      {"artifact_bytes", report.artifact_bytes},
      {"abi", report.abi},
      {"exports_configure", report.exports_configure},
      {"needs_body", report.needs_body},
      {"validate_ms", report.validate_ms},
      {"compile_ms", report.compile_ms},
      {"rehearse_ms", report.rehearse_ms},
      {"warnings", std::move(warnings)},
  };
  if (!report.counting_sha256.empty()) json["counting_sha256"] = report.counting_sha256;
  if (report.cost) {
    json["cost"] = {
        {"fuel", report.cost->fuel}, {"request", cut(report.cost->request)}, {"at_least", report.cost->at_least}};
  }
  if (report.inventory) json["inventory"] = Json::parse(to_json(*report.inventory));
  if (report.rule_tests) json["rule_tests"] = json_of(*report.rule_tests);
  if (report.error) {
    json["error"] = {{"code", word_of(report.error->code)}, {"message", cut(report.error->message)}};
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<CompileReport> compile_report_from_json(std::string_view text) {
  // Thrown out of the parser before anything deep has been made.
  const auto not_too_deep = [](int depth, Json::parse_event_t, const Json&) {
    if (depth > kDeepest) throw Fault{fmt::format("it nests deeper than {} levels", kDeepest)};
    return true;
  };
  std::string reason;
  try {
    return report_of(Json::parse(text, not_too_deep));
  } catch (const Fault& fault) {
    reason = fault.what;
  } catch (const Json::exception& error) {
    reason = repaired_utf8(error.what(), kMaxReasonBytes);
  }
  return fail(ErrorCode::kProtocol, "The compile child's report cannot be read: " + reason);
}

}  // namespace secbeat::engine
