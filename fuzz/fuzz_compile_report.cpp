// What the compile child says. It has run a stranger's code, so it is believed as far as its shape goes and no further:
// what is taken survives being written and read again, and names no file outside its folder.
#include <string>

#include "fuzz_support.hpp"
#include "secbeat/engine/compile.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secbeat;
  using fuzz::require;
  const auto report = engine::compile_report_from_json(fuzz::text_of(data, size));
  if (!report) {
    require(report.error().code == ErrorCode::kProtocol && report.error().message.size() <= 1024);
    return 0;
  }
  for (const std::string* sha256 : {&report->artifact_sha256, &report->counting_sha256}) {
    require(sha256->empty() || (sha256->size() == 64 && sha256->find_first_not_of("0123456789abcdef") == sha256->npos));
  }
  require(report->abi == 1 || report->abi == 2);
  require(report->warnings.size() <= engine::kMaxReportWarnings);
  for (const std::string& warning : report->warnings) require(warning.size() <= engine::kMaxReportTextBytes);
  if (report->error) require(report->error->message.size() <= engine::kMaxReportTextBytes);
  if (report->cost) require(report->cost->request.size() <= engine::kMaxReportTextBytes);
  const auto again = engine::compile_report_from_json(engine::to_json(*report));
  require(again && engine::to_json(*again) == engine::to_json(*report));
  return 0;
}
