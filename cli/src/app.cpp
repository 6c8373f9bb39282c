#include "app.hpp"

#include <CLI/CLI.hpp>

namespace secbeat::cli {

void build_app(CLI::App& app, Run& run) {
  app.name("secbeat");
  app.description("SecBeat replaces the rules of a web application firewall inside a running nginx.");
  app.require_subcommand(1);
  app.set_version_flag("--version", "secbeat " SECBEAT_VERSION);
  app.footer(
      "secbeat COMMAND --help explains each command with examples. Results are tables for people; --json gives the\n"
      "same to programs. Colour appears only on a terminal.\n\n"
      "Which node a command talks to, in this order: --api, --profile, SECBEAT_API, SECBEAT_PROFILE, the profile\n"
      "file's default, http://127.0.0.1:9090.\n\n"
      "Exit status:\n"
      "  0  done\n"
      "  1  refused, by the node or by a check; the reason is on standard error\n"
      "  2  wrong use, a file that cannot be read, or a configuration with faults\n"
      "  3  no node answers at the API's address, or something that is none\n"
      "  4  standard output took no more; what was asked may have been done\n\n"
      "Environment:\n"
      "  SECBEAT_API      the address of the node's API\n"
      "  SECBEAT_PROFILE  the profile to take\n"
      "  SECBEAT_KEY      the key to send to the node, instead of the profile's\n"
      "  SECBEAT_CA       who may have signed the node's certificate, a file\n"
      "  SECBEAT_ORCHESTRATOR  the address of the orchestrator's API, for secbeat fleet\n"
      "  SECBEAT_CONFIG   the configuration of secbeat node and secbeat orchestrator\n"
      "  SECBEAT_STATE_DIR  the state directory of a node on this machine, for when no agent answers\n"
      "  NO_COLOR         no colour, whatever the terminal\n\n"
      "Files:\n"
      "  ~/.config/secbeat/profile.toml  profiles; docs/cli.md describes it. Below XDG_CONFIG_HOME where that is set");
  add_node_command(app, run);
  add_orchestrator_command(app, run);
  add_fleet_command(app, run);
  add_demo_command(app, run);
  add_doctor_command(app, run);
  add_status_command(app, run);
  add_version_command(app, run);
  add_modules_command(app, run);
  add_history_command(app, run);
  add_errors_command(app, run);
  add_requests_command(app, run);
  add_reload_command(app, run);
  add_rollback_command(app, run);
  add_remove_command(app, run);
  add_rules_command(app, run);
  add_watch_command(app, run);
  add_freeze_command(app, run);
  add_unfreeze_command(app, run);
  add_bypass_command(app, run);
  add_drill_command(app, run);
  add_inspect_command(app, run);
  add_validate_command(app, run);
  add_new_rule_command(app, run);
  add_sign_command(app, run);
  add_verify_command(app, run);
  add_archive_command(app, run);
  add_key_command(app, run);
  add_compile_command(app, run);
  add_completion_command(app, run);
  add_man_command(app, run);
}

}  // namespace secbeat::cli
