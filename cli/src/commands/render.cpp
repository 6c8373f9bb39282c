#include "commands/render.hpp"

#include <fmt/format.h>

#include <iterator>

namespace secbeat::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// Appends one formatted line.
template <class... Values>
void line(std::string& out, fmt::format_string<Values...> format, Values&&... values) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Values>(values)...);
  out += '\n';
}

std::string joined(const Json& list) {
  std::string out;
  for (const Json& item : list) {
    out += fmt::format("{}{}", out.empty() ? "" : ", ", item.is_string() ? item.get<std::string>() : item.dump());
  }
  return out.empty() ? "-" : clean(out);
}

std::string stages_text(const Json& stages) {
  std::string out;
  for (const char* stage :
       {"receive_ms", "validate_ms", "compile_ms", "rehearse_ms", "stage_ms", "swap_ms", "total_ms"}) {
    if (!stages.contains(stage)) continue;
    const std::string name(stage, std::string_view(stage).size() - 3);
    out += fmt::format("{}{} {:.1f}", out.empty() ? "" : ", ", name, stages.at(stage).get<double>());
  }
  return out;
}

std::string cleaned(const Json& object, const char* key) { return clean(text_of(object, key)); }

// Who made a change, and from where, as far as that says more than "this machine".
std::string who(const Json& row) {
  const std::string by = text_of(row, "by");
  const std::string from = text_of(row, "source_ip");
  return from == "-" || from == "127.0.0.1" || from == "::1" ? by : fmt::format("{} at {}", by, from);
}

std::vector<std::string> history_row(const Json& row) {
  const bool ok = row.at("success").get<bool>();
  const std::string attempted = text_of(row, "attempted_version");
  const std::string version = text_of(row, "version");
  return {text_of(row, "timestamp"),
          text_of(row, "name"),
          text_of(row, "kind"),
          ok || attempted == "-" ? version : fmt::format("{} (not {})", version, attempted),
          ok ? "ok" : "failed",
          text_of(row, "duration_ms"),
          text_of(row, "requests_during_reload"),
          who(row),
          text_of(row, ok ? "reason" : "error")};
}

// Which numbers a worker's swap is told with.
std::string swap_text(const Json& answer) {
  const Json workers = answer.value("workers", Json::object());
  return fmt::format("workers {} of {}, pause {} µs (downtime {} ms)", cleaned(workers, "serving"),
                     cleaned(workers, "total"), cleaned(answer, "max_pause_us"), cleaned(answer, "downtime_ms"));
}

std::string warnings_text(const Json& answer) {
  std::string out;
  for (const Json& warning : answer.at("warnings")) {
    if (warning.is_string()) line(out, "  {} {}", paint(Tone::kWarning, "warning:"), clean(warning.get<std::string>()));
  }
  return out;
}

// 0 where it is no whole number: not every number of JSON is one of this machine.
std::uint64_t whole(const Json& object, const char* key) {
  const Json number = object.value(key, Json());
  return number.is_number_unsigned() ? number.get<std::uint64_t>() : 0;
}

std::string count_text(const Json& object, const char* key) {
  const Json count = object.value(key, Json());
  return count.is_number_unsigned() ? grouped(count.get<std::uint64_t>()) : cleaned(object, key);
}

// What a request costs, and which rules came and went. Older nodes tell neither.
std::string measured_text(const Json& answer) {
  std::string out;
  if (const Json cost = answer.value("cost", Json()); cost.is_object()) {
    line(out, "  cost: {}{} fuel ({})", cost.value("at_least", Json()) == true ? "at least " : "",
         count_text(cost, "fuel"), cleaned(cost, "request"));
  }
  const Json rules = answer.value("inventory", Json());
  if (!rules.is_object()) return out;
  line(out, "  rules: {}", count_text(rules, "rules"));
  for (const std::string what : {"added", "removed", "changed"}) {
    const Json count = rules.value(what, Json());
    if (!count.is_number_unsigned() || count == 0) continue;
    const Json ids = rules.value(what + "_ids", Json::array());
    line(out, "    {} {}: {}{}", what, count_text(rules, what.c_str()), joined(ids), count > ids.size() ? ", …" : "");
  }
  return out;
}

}  // namespace

std::string render_reload(const Json& answer) {
  const std::string name = cleaned(answer, "name");
  const std::string message = cleaned(answer, "message");
  std::string out;
  if (answer.value("unchanged", false)) {
    line(out, "{}: {} {} serves these bytes and this configuration already; nothing was done", message, name,
         cleaned(answer, answer.contains("version") ? "version" : "would_be_version"));
    return out;
  }
  const bool dry_run = answer.contains("would_be_version");
  if (dry_run) {
    line(out, "{}: {} would be {}", paint(Tone::kGood, message), name, cleaned(answer, "would_be_version"));
  } else {
    line(out, "{}: {} {} → {}", paint(Tone::kGood, message), name, cleaned(answer, "previous_version"),
         cleaned(answer, "version"));
    line(out, "  {}, {} requests meanwhile", swap_text(answer), grouped(whole(answer, "requests_during_reload")));
  }
  line(out, "  milliseconds: {}", stages_text(answer.at("stages")));
  out += measured_text(answer);
  out += warnings_text(answer);
  if (!dry_run && !answer.at("previous_version").is_null()) line(out, "To take it back: secbeat rollback {}", name);
  return out;
}

std::string render_rollback(const Json& answer) {
  std::string out;
  line(out, "{}: {} {} → {} ({})", paint(Tone::kGood, "Rolled back"), cleaned(answer, "name"),
       cleaned(answer, "from_version"), cleaned(answer, "rolled_back_to"), cleaned(answer, "reason"));
  line(out, "  {}", swap_text(answer));
  if (answer.contains("warnings")) out += warnings_text(answer);
  return out;
}

std::string render_removal(const Json& answer) {
  std::string out;
  line(out, "{}: {} {}", paint(Tone::kGood, cleaned(answer, "message")), cleaned(answer, "name"),
       cleaned(answer, "removed_version"));
  line(out, "  {}", swap_text(answer));
  out += warnings_text(answer);
  line(out, "To take it back: secbeat rollback {}", cleaned(answer, "name"));
  return out;
}

std::string render_version(const Json& answer) {
  std::string out;
  line(out, "{} {}", paint(Tone::kGood, cleaned(answer, "name")), cleaned(answer, "version"));
  line(out, "  serving since     {}", cleaned(answer, "loaded_at"));
  line(out, "  previous version  {}", cleaned(answer, "previous_version"));
  line(out, "  kept for rollback {}", joined(answer.at("kept")));
  line(out, "  size              {}", bytes_text(whole(answer, "size_bytes")));
  line(out, "  sha256            {}", cleaned(answer, "sha256"));
  line(out, "  config sha256     {}", cleaned(answer, "config_sha256"));
  line(out, "  generation        {}", cleaned(answer, "generation"));
  Rows rows;
  for (const Json& worker : answer.at("workers")) {
    rows.push_back(
        {text_of(worker, "pid"), text_of(worker, "version"), text_of(worker, "generation"), text_of(worker, "since")});
  }
  if (!rows.empty()) out += "\n" + table({"WORKER", "VERSION", "GENERATION", "SINCE"}, rows);
  return out;
}

std::string render_watch(const Json& answer) {
  std::string out;
  const Json watch = answer.value("watch", Json());
  if (!watch.is_object()) {
    line(out, "No version of {} has been watched since the node started", cleaned(answer, "name"));
    return out;
  }
  line(out, "{} {}: {}", paint(Tone::kGood, cleaned(answer, "name")), cleaned(watch, "version"),
       cleaned(watch, "state"));
  line(out, "  from {} to {}", cleaned(watch, "since"), cleaned(watch, "until"));
  line(out, "  would go back to {}", cleaned(watch, "previous_version"));
  if (watch.contains("reason") && watch.at("reason").is_string()) line(out, "  {}", cleaned(watch, "reason"));
  Rows rows;
  const auto add = [&rows](const std::string& what, const Json& figures) {
    if (!figures.is_object()) return;
    rows.push_back({what, text_of(figures, "requests"), text_of(figures, "trap"), text_of(figures, "deadline"),
                    text_of(figures, "memory"), text_of(figures, "bad_verdict"), text_of(figures, "no_instance"),
                    text_of(figures, "block_percent"), text_of(figures, "rate_limit_percent"),
                    text_of(figures, "passed_per_second"), text_of(figures, "p99_us")});
  };
  add("since the swap", watch.value("measured", Json()));
  add("before it", watch.value("baseline", Json()));
  return out + "\n" +
         table({"", "REQUESTS", "TRAP", "DEADLINE", "MEMORY", "BAD VERDICT", "NO INSTANCE", "BLOCK %", "LIMIT %",
                "PASS/s", "P99 µs"},
               rows);
}

std::string render_watch_end(const Json& answer) {
  std::string out;
  line(out, "{}: {} {} stays", paint(Tone::kGood, cleaned(answer, "message")), cleaned(answer, "name"),
       cleaned(answer, "version"));
  return out;
}

std::string render_running_watches(const Json& modules) {
  std::string out;
  for (const Json& module : modules) {
    const Json watch = module.value("watch", Json());
    if (!watch.is_object() || text_of(watch, "state") != "running") continue;
    const Json measured = watch.value("measured", Json::object());
    std::uint64_t errors = 0;
    for (const char* kind : {"trap", "deadline", "memory", "bad_verdict", "no_instance"}) {
      errors += whole(measured, kind);
    }
    line(out, "Watching {} {} until {}: {} requests, {} errors. To end it: secbeat watch end {}",
         cleaned(module, "name"), cleaned(watch, "version"), cleaned(watch, "until"), cleaned(measured, "requests"),
         errors, cleaned(module, "name"));
    if (watch.contains("reason") && watch.at("reason").is_string()) {
      line(out, "  {} {}", paint(Tone::kWarning, "warning:"), cleaned(watch, "reason"));
    }
  }
  return out;
}

std::string render_history(const Json& answer) {
  Rows rows;
  for (const Json& row : answer.at("reloads")) rows.push_back(history_row(row));
  if (rows.empty()) return "No reload yet\n";
  return table({"TIME", "MODULE", "KIND", "SERVING AFTER", "RESULT", "MS", "REQUESTS", "BY", "REASON"}, rows);
}

std::string render_modules(const Json& answer) {
  Rows rows;
  for (const Json& module : answer.at("modules")) {
    rows.push_back({text_of(module, "name"), text_of(module, "version"), text_of(module, "loaded_at"),
                    text_of(module, "previous_version"), joined(module.value("kept", Json::array())),
                    bytes_text(whole(module, "size"))});
  }
  if (rows.empty()) return "No module in force: every request passes. Load one: secbeat reload FILE.wasm\n";
  return table({"MODULE", "VERSION", "SERVING SINCE", "PREVIOUS", "KEPT", "SIZE"}, rows);
}

std::string render_errors(const Json& answer) {
  std::string totals;
  for (const auto& [kind, count] : answer.at("totals").items()) {
    if (count.is_number() && count != 0)
      totals += fmt::format("{}{} {}", totals.empty() ? "" : ", ", clean(kind), count.dump());
  }
  const std::string window = fmt::format("in the last {} s", whole(answer, "window_seconds"));
  if (answer.at("errors").empty()) return fmt::format("No module made an error {}\n", window);
  Rows rows;
  for (const Json& row : answer.at("errors")) {
    const Json& sample = row.at("sample");
    rows.push_back({text_of(row, "last_seen"), text_of(row, "module"), text_of(row, "version"), text_of(row, "kind"),
                    text_of(row, "count"), text_of(row, "message"),
                    fmt::format("{} {} from {}", text_of(sample, "method"), text_of(sample, "uri"),
                                text_of(sample, "source_ip"))});
  }
  return table({"LAST SEEN", "MODULE", "VERSION", "KIND", "COUNT", "MESSAGE", "NEWEST REQUEST"}, rows) +
         fmt::format("\nErrors {}: {}\n", window, totals.empty() ? "none" : totals);
}

std::string render_requests(const Json& answer) {
  Rows rows;
  for (const Json& row : answer.at("requests")) {
    rows.push_back({text_of(row, "time"), text_of(row, "verdict"), text_of(row, "source"), text_of(row, "method"),
                    text_of(row, "uri"), text_of(row, "module"), text_of(row, "version"), text_of(row, "rule"),
                    text_of(row, "message")});
  }
  if (rows.empty()) return "No request that was not simply let through\n";
  return table({"TIME", "VERDICT", "SOURCE", "METHOD", "URI", "MODULE", "VERSION", "RULE", "MESSAGE"}, rows);
}

}  // namespace secbeat::cli
