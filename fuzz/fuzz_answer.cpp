// What a node, or something in its place, answers to the command line: whatever it is, what people are shown is within
// its bounds and does not steer their terminal.
#include <span>
#include <string>

#include "commands/render.hpp"
#include "fuzz_support.hpp"
#include "node_api/answer.hpp"
#include "secbeat/base/text.hpp"

namespace {

using namespace secbeat::cli;
using secbeat::fuzz::require;

void require_harmless(std::string_view shown, std::size_t received) {
  require(shown.size() <= 65536 + 64 * received);
  while (!shown.empty()) {
    const auto character = secbeat::first_character(shown);
    require(character.valid && (character.code == '\n' || !secbeat::steers(character.code)));
    shown.remove_prefix(character.bytes);
  }
}

std::string render_checks(const Json& answer) { return render_drill(answer.at("checks")); }
std::string render_watches(const Json& answer) { return render_running_watches(answer.at("modules")); }

struct Rendering {
  std::span<const Field> shape;
  std::string (*render)(const Json&);
};
constexpr Rendering kRenderings[] = {
    {kReloadShape, render_reload},
    {kRollbackShape, render_rollback},
    {kRemovalShape, render_removal},
    {kVersionShape, render_version},
    {kWatchShape, render_watch},
    {kWatchEndShape, render_watch_end},
    {kHistoryShape, render_history},
    {kModulesShape, render_modules},
    {kModulesShape, render_watches},
    {kBreakGlassShape, render_break_glass},
    {kBreakGlassResultShape, render_break_glass_result},
    {kDrillShape, render_checks},
    {kErrorsShape, render_errors},
    {kRequestsShape, render_requests},
};

void check(const Json& answer, const Rendering& rendering, std::size_t received) {
  if (!check_shape(answer, rendering.shape)) return;
  try {
    require_harmless(rendering.render(answer), received);
  } catch (const Json::exception&) {  // a member that the shape does not name: finish() tells it
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto answer = parse_answer(secbeat::fuzz::text_of(data, size));
  if (!answer) {
    require(answer.error().code == secbeat::ErrorCode::kProtocol && answer.error().message.size() <= 256);
    return 0;
  }
  for (const Rendering& rendering : kRenderings) check(*answer, rendering, size);
  return 0;
}
