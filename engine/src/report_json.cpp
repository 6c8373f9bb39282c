#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "secbeat/engine/compile.hpp"

namespace secbeat::engine {

std::string to_json(const CompileReport& report) {
  nlohmann::json json = {
      {"artifact_sha256", report.artifact_sha256},
      {"artifact_bytes", report.artifact_bytes},
      {"abi", report.abi},
      {"exports_configure", report.exports_configure},
      {"needs_body", report.needs_body},
      {"validate_ms", report.validate_ms},
      {"compile_ms", report.compile_ms},
      {"rehearse_ms", report.rehearse_ms},
      {"warnings", report.warnings},
  };
  if (!report.counting_sha256.empty()) json["counting_sha256"] = report.counting_sha256;
  if (report.cost) {
    json["cost"] = {
        {"fuel", report.cost->fuel}, {"request", report.cost->request}, {"at_least", report.cost->at_least}};
  }
  if (report.inventory) json["inventory"] = nlohmann::json::parse(to_json(*report.inventory));
  if (report.error) {
    json["error"] = {{"code", word_of(report.error->code)}, {"message", report.error->message}};
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<CompileReport> compile_report_from_json(std::string_view text) {
  try {
    const auto json = nlohmann::json::parse(text);
    CompileReport report;
    if (const auto error = json.find("error"); error != json.end()) {
      report.error = Error{code_of(error->at("code").get<std::string>()), error->at("message").get<std::string>()};
    }
    json.at("artifact_sha256").get_to(report.artifact_sha256);
    json.at("artifact_bytes").get_to(report.artifact_bytes);
    json.at("abi").get_to(report.abi);
    json.at("exports_configure").get_to(report.exports_configure);
    json.at("needs_body").get_to(report.needs_body);
    json.at("validate_ms").get_to(report.validate_ms);
    json.at("compile_ms").get_to(report.compile_ms);
    json.at("rehearse_ms").get_to(report.rehearse_ms);
    json.at("warnings").get_to(report.warnings);
    if (const auto sha256 = json.find("counting_sha256"); sha256 != json.end()) sha256->get_to(report.counting_sha256);
    if (const auto cost = json.find("cost"); cost != json.end()) {
      report.cost = Cost{cost->at("fuel").get<std::uint64_t>(), cost->at("request").get<std::string>(),
                         cost->at("at_least").get<bool>()};
    }
    if (const auto rules = json.find("inventory"); rules != json.end()) {
      auto inventory = read_inventory(rules->dump());  // as strictly as the module's own text: the child ran it
      if (!inventory) return fail(ErrorCode::kProtocol, "The compile child's inventory: " + inventory.error().message);
      report.inventory = *std::move(inventory);
    }
    return report;
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorCode::kProtocol, fmt::format("The compile child's report cannot be read: {}", error.what()));
  }
}

}  // namespace secbeat::engine
