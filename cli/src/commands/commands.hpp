// The subcommands. Each adds itself to the application and leaves in `run` what to do when it was chosen.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace secbeat::cli {

using Run = std::function<int()>;

void add_node_command(CLI::App& app, Run& run);          // program_commands.cpp
void add_orchestrator_command(CLI::App& app, Run& run);  // program_commands.cpp
void add_fleet_command(CLI::App& app, Run& run);         // fleet_commands.cpp
void add_fleet_rules(CLI::App& fleet, Run& run);         // fleet_rules_commands.cpp
void add_restore_command(CLI::App& archive, Run& run);   // restore_command.cpp
void add_archive_command(CLI::App& app, Run& run);       // archive_commands.cpp
void add_key_command(CLI::App& app, Run& run);           // key_command.cpp
void add_compile_command(CLI::App& app, Run& run);       // compile_command.cpp
void add_validate_command(CLI::App& app, Run& run);      // compile_command.cpp
void add_new_rule_command(CLI::App& app, Run& run);      // new_rule_command.cpp
void add_sign_command(CLI::App& app, Run& run);          // sign_command.cpp
void add_verify_command(CLI::App& app, Run& run);        // sign_command.cpp
void add_demo_command(CLI::App& app, Run& run);          // demo_command.cpp
void add_doctor_command(CLI::App& app, Run& run);        // doctor_command.cpp
void add_inspect_command(CLI::App& app, Run& run);       // inspect_command.cpp
void add_completion_command(CLI::App& app, Run& run);    // describe_commands.cpp
void add_man_command(CLI::App& app, Run& run);           // describe_commands.cpp
void add_reload_command(CLI::App& app, Run& run);        // change_commands.cpp
void add_rollback_command(CLI::App& app, Run& run);      // change_commands.cpp
void add_watch_command(CLI::App& app, Run& run);         // watch_command.cpp
void add_freeze_command(CLI::App& app, Run& run);        // break_glass_commands.cpp
void add_unfreeze_command(CLI::App& app, Run& run);      // break_glass_commands.cpp
void add_bypass_command(CLI::App& app, Run& run);        // break_glass_commands.cpp
void add_drill_command(CLI::App& app, Run& run);         // drill_command.cpp
void add_remove_command(CLI::App& app, Run& run);        // remove_command.cpp
void add_rules_command(CLI::App& app, Run& run);         // rules_commands.cpp
void add_version_command(CLI::App& app, Run& run);       // show_commands.cpp
void add_modules_command(CLI::App& app, Run& run);       // show_commands.cpp
void add_history_command(CLI::App& app, Run& run);       // show_commands.cpp
void add_errors_command(CLI::App& app, Run& run);        // show_commands.cpp
void add_requests_command(CLI::App& app, Run& run);      // show_commands.cpp
void add_status_command(CLI::App& app, Run& run);        // show_commands.cpp

}  // namespace secbeat::cli
