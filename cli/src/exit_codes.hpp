// What the command line answers to scripts. --help, the manual pages and docs/cli.md name these.
#pragma once

namespace secbeat::cli {

inline constexpr int kOk = 0;
inline constexpr int kRefused = 1;      // the node or a check said no; the reason is on standard error
inline constexpr int kUsage = 2;        // the command's words are wrong, or a file cannot be read
inline constexpr int kUnreachable = 3;  // no node answers at the API's address, or something that is none
inline constexpr int kUnwritten = 4;    // standard output took no more; what was asked may have been done

}  // namespace secbeat::cli
