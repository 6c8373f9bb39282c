#include "commands/glass_options.hpp"

#include <fmt/format.h>

#include <charconv>

#include "exit_codes.hpp"
#include "secbeat/agent/config.hpp"
#include "secbeat/agent/doctor.hpp"

namespace secbeat::cli {
void GlassOptions::add_to(CLI::App& command) {
  command
      .add_option("--state-dir", state_dir,
                  "The node's state_dir, for when no agent answers; default: the profile's, else that of a node "
                  "without a configuration")
      ->type_name("DIR")
      ->envname("SECBEAT_STATE_DIR");
  command.add_flag("--local", local, "Do not ask the API: use the scoreboard in the state directory");
  api.add_to(command);
}

void GlassOptions::add_to(CLI::App& command, const char* standard) {
  command.add_option("--reason", reason, fmt::format("Why, for log and history; default: {}", standard));
  add_to(command);
}

std::string GlassOptions::folder(const Client& client) const {
  if (!state_dir.empty()) return state_dir;
  if (!client.state_dir().empty()) return client.state_dir();
  return client.address() == kDefaultAddress ? agent::default_config().state_dir.string() : std::string();
}

std::optional<std::chrono::seconds> duration_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  constexpr std::int64_t kMost = 400LL * 24 * 3600;
  if (error != std::errc() || number <= 0 || number > kMost) return std::nullopt;
  if (unit.empty() || unit == "s") return std::chrono::seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number);
  return std::nullopt;
}

Result<void> ask_agent(const GlassOptions& options, const Client& client) {
  if (options.local) return fail(ErrorCode::kIo, "The API was not asked (--local)");
  const auto alive = client.get("/healthz", Patience::kGlance);
  if (!alive) return std::unexpected(alive.error());
  return {};
}

int act_without_agent(const GlassOptions& options, const Client& client, const Error& why, const Act& act) {
  const std::string folder = options.folder(client);
  if (folder.empty()) {
    return complain({ErrorCode::kIo, why.message + ". Without an agent this works on the node's machine, where its "
                                                   "state directory is named: --state-dir DIR, SECBEAT_STATE_DIR, or "
                                                   "state_dir of the profile"},
                    kUnreachable);
  }
  if (!options.local) {
    fmt::print(stderr, "secbeat: no agent answers at {}; using the scoreboard in {}\n", client.address(),
               clean(folder));
  }
  const RealClock clock;
  auto glass = agent::WithoutAgent::open(folder, clock);
  if (!glass) return complain(glass.error(), kUnreachable);
  const auto done = act(*glass);
  if (!done) return complain(done.error(), kRefused);
  if (options.api.json) {
    fmt::print(
        "{}\n",
        json_text(Json{
            {"success", true}, {"message", done->message}, {"without_agent", true}, {"warnings", done->warnings}}));
    return kOk;
  }
  fmt::print("{}\n", paint(Tone::kGood, clean(done->message)));
  for (const std::string& warning : done->warnings) {
    fmt::print("  {} {}\n", paint(Tone::kWarning, "warning:"), clean(warning));
  }
  fmt::print("The agent records it when it is back\n");
  return kOk;
}

}  // namespace secbeat::cli
