#include "guest_table.hpp"

namespace secbeat::guests_test {
namespace {

RequestCase passes(std::string uri = "/") { return {.uri = std::move(uri)}; }

RequestCase with_header(std::string name, std::string value = "1") {
  return {.headers = {{"host", "www.example.org"}, {std::move(name), std::move(value)}}};
}

RequestCase blocked(RequestCase request, std::string rule) {
  request.verdict = Verdict::kBlock;
  request.rule = std::move(rule);
  return request;
}

RequestCase fails(RequestCase request, CallErrorKind kind) {
  request.error = kind;
  return request;
}

std::vector<RequestCase> bad_bot_requests() {
  std::vector<RequestCase> requests;
  for (const char* uri :
       {"/admin", "/admin/", "/admin/users?id=1", "/ADMIN/x", "/admin?x", "/%61dmin", "/%41dMin%2Fx", "//admin",
        "/./admin", "/shop/../admin/x", "/shop/%2e%2e/admin", "/admin#top", "http://www.example.org/admin"}) {
    requests.push_back(blocked(passes(uri), "admin-path"));
  }
  requests.push_back(blocked(passes("/" + std::string(7000, 'a') + "/../admin"), "admin-path"));
  for (const char* uri : {"/", "/administrator", "/administrator/admin", "/shop/admin", "/?next=/admin", "/%2561dmin",
                          "/admin/../shop", "/admi", "/admin%00", "*", ""}) {
    requests.push_back(passes(uri));
  }
  for (const char* agent :
       {"BadBot", "badbot/2.0", "Mozilla/5.0 (compatible; BADBOT)", "sqlmap/1.7.2#stable (https://x)",
        "Mozilla/5.0 (compatible; Nmap Scripting Engine)", "Mozilla/5.00 (Nikto/2.1.6)"}) {
    requests.push_back(blocked(with_header("user-agent", agent), "bad-user-agent"));
  }
  for (const char* agent : {"", "Mozilla/5.0 (X11; Linux x86_64)", "BadBo", "N map", "curl/8.5"}) {
    requests.push_back(with_header("user-agent", agent));
  }
  requests.push_back(with_header("x-user-agent", "BadBot"));
  // A second header of the name counts as well.
  RequestCase twice = with_header("user-agent", "Mozilla/5.0");
  twice.headers.emplace_back("user-agent", "Nikto");
  requests.push_back(blocked(std::move(twice), "bad-user-agent"));
  return requests;
}

GuestCase bad_bot_blocker(std::string file, std::string version, const std::vector<std::string>& more_agents) {
  GuestCase guest{.guest = std::move(file),
                  .embedded_name = "bad-bot-blocker",
                  .embedded_version = std::move(version),
                  .requests = bad_bot_requests()};
  for (const std::string agent : {"masscan/1.3", "Mozilla/5.0 zgrab/0.x"}) {
    RequestCase request = with_header("user-agent", agent);
    for (const std::string& more : more_agents) {
      if (agent.contains(more)) request = blocked(std::move(request), "bad-user-agent");
    }
    guest.requests.push_back(std::move(request));
  }
  return guest;
}

// Each passes its rehearsal and fails at one request; afterwards a fresh instance decides as before.
GuestCase fails_on(std::string guest, std::string header, CallErrorKind kind) {
  return {.guest = std::move(guest), .requests = {passes(), fails(with_header(std::move(header)), kind), passes()}};
}

// The same at a request from this machine.
GuestCase fails_in_service(std::string guest, CallErrorKind kind) {
  RequestCase local = passes();
  local.source_ip = "127.0.0.1";
  return {.guest = std::move(guest), .requests = {passes(), fails(std::move(local), kind), passes()}};
}

GuestCase refused(std::string guest, std::string error, std::string contains) {
  return {.guest = std::move(guest), .error = std::move(error), .error_contains = std::move(contains)};
}

GuestCase decides_all(std::string guest, Verdict verdict, std::string rule) {
  RequestCase request{.verdict = verdict, .rule = std::move(rule)};
  return {.guest = std::move(guest), .requests = {request, request}};
}

GuestCase blocks_all_saying(std::string guest, std::string rule) {
  GuestCase made = decides_all(std::move(guest), Verdict::kBlock, std::move(rule));
  made.needs_body = true;  // it does not say
  return made;
}

void add_verdicts(std::vector<GuestCase>& cases) {
  cases.push_back(bad_bot_blocker("bad-bot-blocker", "1.0.0", {}));
  cases.push_back(bad_bot_blocker("bad-bot-blocker-1.1.0", "1.1.0", {"masscan"}));
  cases.push_back(bad_bot_blocker("bad-bot-blocker-1.2.0", "1.2.0", {"masscan", "zgrab"}));
  cases.push_back(decides_all("allow_all", Verdict::kAllow, ""));
  cases.push_back(decides_all("heavy", Verdict::kAllow, ""));
  cases.push_back(decides_all("has_inventory", Verdict::kAllow, ""));
  cases.push_back({.guest = "lists_configuration", .config = R"([{"id":"a"}])", .requests = {passes()}});
  cases.push_back({.guest = "works_hard", .config = "1000", .needs_body = true, .requests = {passes()}});
  cases.push_back(decides_all("block_all", Verdict::kBlock, "block-all"));
  cases.push_back(decides_all("log_all", Verdict::kLog, "log-all"));
  cases.push_back(decides_all("rate_limit_all", Verdict::kRateLimit, "rate-limit-all"));
  cases.push_back({.guest = "block_when_header",
                   .requests = {passes(), blocked(with_header("x-block"), "x-block"), with_header("x-blocked"),
                                blocked(with_header("x-block", ""), "x-block"), passes()}});
  // The engine hands on no control characters of a guest's.
  cases.push_back({.guest = "hostile_texts",
                   .requests = {passes(), blocked(with_header("x-block"), "rule\uFFFD]0;title\uFFFD\uFFFDFORGED")}});
  for (const std::string number : {"0", "1", "2", "3"}) {
    cases.push_back({.guest = "generation_" + number,
                     .requests = {passes(), blocked(with_header("x-who"), "generation-" + number)}});
  }
}

// How its rules decide is held in guests/universal-waf/src; here it is the module, as a node compiles it.
void add_universal_waf(std::vector<GuestCase>& cases) {
  GuestCase waf{.guest = "universal-waf",
                .embedded_name = "universal-waf",
                .embedded_version = "1.0.0",
                .requests = {passes(), passes("/?id=1' OR 1=1--")}};
  cases.push_back(waf);
  waf.config = R"({"rules":[{"id":"block-sqli-pattern","field":"URI","pattern":"*' OR *--*","action":"Block"},)"
               R"({"id":"block-short-ua-admin","field":"Header:User-Agent","pattern":".","max_length":20,)"
               R"("requires":{"URI":"/admin/*"},"action":"RateLimit"}]})";
  RequestCase short_agent{.uri = "/admin/x", .headers = {{"user-agent", "curl/8.5"}}, .verdict = Verdict::kRateLimit};
  short_agent.rule = "block-short-ua-admin";
  waf.requests = {passes("/admin/x"), blocked(passes("/?id=1%27%20or%201=1--"), "block-sqli-pattern"), short_agent,
                  passes("/?id=1' OR 1=1")};
  cases.push_back(waf);
  waf.config = R"({"rules":[{"id":"in-body","field":"Body","pattern":"*attack*","action":"Block"}]})";
  waf.needs_body = true;
  waf.requests = {{.body = "no harm"}, blocked({.body = "an ATT%41CK"}, "in-body")};
  cases.push_back(waf);
  GuestCase wrong =
      refused("universal-waf", "configure_failed", R"(rule "a", key "pattern", line 1 column 45: is empty)");
  wrong.config = R"({"rules":[{"id":"a","field":"URI","pattern":"","action":"Block"}]})";
  wrong.embedded_name = waf.embedded_name;
  wrong.embedded_version = waf.embedded_version;
  cases.push_back(wrong);
}

void add_failures(std::vector<GuestCase>& cases) {
  cases.push_back(
      refused("returns_seven", "invalid_action",
              "Invalid action: inspect_request returned 7 for the sample request get-root, expected 0 to 3"));
  cases.push_back(refused("traps_always", "sample_trapped", "get-root"));
  cases.push_back(refused("loops_forever", "sample_timeout", "get-root"));
  cases.push_back(refused("traps_in_verdict_detail", "sample_trapped", "verdict_detail"));
  cases.push_back(fails_on("returns_seven_on_request", "x-trap", CallErrorKind::kBadVerdict));
  cases.push_back(fails_on("traps_on_request", "x-trap", CallErrorKind::kTrap));
  cases.push_back(fails_on("loops_on_request", "x-loop", CallErrorKind::kDeadline));
  cases.push_back(fails_on("fills_memory_on_request", "x-loop", CallErrorKind::kDeadline));
  cases.push_back(fails_on("eats_memory_on_request", "x-eat", CallErrorKind::kMemory));
  cases.push_back(fails_on("overflows_stack_on_request", "x-deep", CallErrorKind::kTrap));
  cases.push_back(fails_in_service("hostile_traps", CallErrorKind::kTrap));
  cases.push_back(fails_in_service("hostile_loops", CallErrorKind::kDeadline));
  cases.push_back(fails_in_service("hostile_eats_memory", CallErrorKind::kMemory));
  cases.push_back(fails_in_service("hostile_overflows_stack", CallErrorKind::kTrap));
  cases.push_back(fails_in_service("hostile_returns_seven", CallErrorKind::kBadVerdict));
  RequestCase survived = with_header("x-eat");
  survived.verdict = Verdict::kLog;
  survived.rule = "no-memory-left";
  cases.push_back({.guest = "survives_refused_memory", .requests = {passes(), survived, survived, passes()}});
  // The verdict stands; only its detail is missing.
  cases.push_back({.guest = "traps_in_detail_on_request",
                   .needs_body = true,
                   .requests = {passes(), blocked(with_header("x-block"), ""), passes()}});
}

void add_shapes(std::vector<GuestCase>& cases) {
  cases.push_back(refused("missing_inspect", "missing_export", "Invalid WASM module: missing inspect_request export"));
  cases.push_back(refused("missing_memory", "missing_export", "Invalid WASM module: missing memory export"));
  cases.push_back(refused("wrong_signature", "missing_export",
                          "Invalid WASM module: inspect_request has type (i64) -> i32, expected (i32, i32) -> i32"));
  cases.push_back(refused("imports_something", "forbidden_import", "env.open_file"));
  cases.push_back(refused("huge_memory", "memory_limit", "33554432"));
  cases.push_back(refused("alloc_refuses", "memory_limit", ""));
  cases.push_back(refused("alloc_outside_memory", "configure_failed", "outside of the module's memory"));
  cases.push_back(refused("abi_unknown", "invalid_wasm", "3"));
  const std::vector<RequestCase> on_header = {passes(), blocked(with_header("x-block"), ""),
                                              passes("/" + std::string(100'000, 'a')), passes()};
  cases.push_back({.guest = "no_alloc", .needs_body = true, .requests = on_header});
  cases.push_back({.guest = "abi1_json", .abi = 1, .needs_body = true, .requests = on_header});
}

void add_configuration_and_details(std::vector<GuestCase>& cases) {
  cases.push_back(refused("refuses_configure", "configure_failed", "rule 3: the pattern is not closed"));
  cases.push_back(refused("refuses_configure_silently", "configure_failed", "41"));
  cases.push_back(refused("traps_in_configure", "configure_failed", ""));
  cases.push_back(refused("loops_in_configure", "configure_failed", "CPU time"));
  RequestCase configured = blocked(passes("/x?forbidden-word=1"), "configured-text");
  configured.message = "The URI contains forbidden-word";
  cases.push_back({.guest = "configurable",
                   .config = "forbidden-word\n",
                   .requests = {passes("/"), configured, passes("/forbidden"), configured}});
  cases.push_back({.guest = "slow_to_configure", .requests = {passes()}});
  cases.push_back({.guest = "configurable", .requests = {passes("/x?forbidden-word=1")}});

  cases.push_back({.guest = "body_reader",
                   .needs_body = true,
                   .requests = {passes(), {.body = "no harm"}, blocked({.body = "an attack"}, "attack-in-body")}});
  cases.push_back({.guest = "needs_no_body", .requests = {passes(), blocked({.body = "given"}, "unasked-body")}});
  cases.push_back({.guest = "empty_abi1", .abi = 1, .needs_body = true, .requests = {passes(), {.body = "any"}}});
  cases.push_back({.guest = "empty_abi2", .needs_body = true, .requests = {passes(), {.body = "any"}}});
  cases.push_back({.guest = "remembers_requests", .requests = {passes(), passes(), blocked(passes(), "third")}});
  cases.push_back(blocks_all_saying("verdict_detail_outside_memory", ""));
  cases.push_back(blocks_all_saying("verdict_texts_outside_memory", ""));
  cases.push_back(blocks_all_saying("verdict_detail_short", "short-detail"));
}

}  // namespace

std::vector<GuestCase> all_guest_cases() {
  std::vector<GuestCase> cases;
  add_verdicts(cases);
  add_universal_waf(cases);
  add_failures(cases);
  add_shapes(cases);
  add_configuration_and_details(cases);
  return cases;
}

}  // namespace secbeat::guests_test
