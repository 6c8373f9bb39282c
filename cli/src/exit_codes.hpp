// What the command line answers to scripts. docs/cli.md documents it.
#pragma once

namespace secbeat::cli {

inline constexpr int kOk = 0;
inline constexpr int kRefused = 1;      // the node or a check said no; the reason is on standard error
inline constexpr int kUsage = 2;        // the command's words are wrong, or a file cannot be read
inline constexpr int kUnreachable = 3;  // nobody answers at the API's address

}  // namespace secbeat::cli
