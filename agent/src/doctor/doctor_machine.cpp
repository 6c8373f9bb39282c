// Limits, the kernel, and whether modules compile and run here.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>

#include "doctor_parts.hpp"
#include "secbeat/agent/try_module.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "secbeat/engine/engine.hpp"
#include "supervisor_process.hpp"

namespace secbeat::agent {
namespace {

// The generated configuration's worker_connections, two descriptors for a request that is forwarded, and some.
constexpr rlim_t kWantedFiles = 2 * 8192 + 512;
constexpr rlim_t kLeastFiles = 1024;

// Newer than Debian 12's headers. <linux/memfd.h>, <linux/landlock.h>
constexpr unsigned kNoExecSeal = 0x0008U;
constexpr unsigned kLandlockVersion = 1U;

// A module that lets every request pass: one page of memory, inspect_request that answers 0.
constexpr std::array<unsigned char, 64> kPassModule = {
    0x00, 0x61, 0x73, 0x6D, 0x01, 0x00, 0x00, 0x00,                          // header
    0x01, 0x07, 0x01, 0x60, 0x02, 0x7F, 0x7F, 0x01, 0x7F,                    // (i32, i32) -> i32
    0x03, 0x02, 0x01, 0x00, 0x05, 0x03, 0x01, 0x00, 0x01,                    // function, memory
    0x07, 0x1C, 0x02, 0x06, 'm',  'e',  'm',  'o',  'r',  'y',  0x02, 0x00,  // exports
    0x0F, 'i',  'n',  's',  'p',  'e',  'c',  't',  '_',  'r',  'e',  'q',  'u',
    'e',  's',  't',  0x00, 0x00, 0x0A, 0x06, 0x01, 0x04, 0x00, 0x41, 0x00, 0x0B};

std::string limit_text(rlim_t limit) { return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit); }

Finding yes_or_no(std::string check, bool there, Health without, std::string advice) {
  return {std::move(check), there ? Health::kOk : without, there ? "yes" : "no", there ? "" : std::move(advice)};
}

bool has_noexec_seal() {
  return static_cast<bool>(UniqueFd(::memfd_create("secbeat-doctor", MFD_CLOEXEC | kNoExecSeal)));
}

Result<engine::CompileReport> compile_pass_module() {
  auto folder = TemporaryFolder::make();
  if (!folder) return std::unexpected(folder.error());
  const std::filesystem::path file = folder->path() / "pass.wasm";
  const std::string bytes(kPassModule.begin(), kPassModule.end());
  if (auto written = write_file_atomically(file, bytes); !written) return std::unexpected(written.error());
  return try_module(file, {});
}

// A child that confines itself and tries to get out.
Finding confinement_finding() {
  Finding finding{"confinement of the compile child", Health::kOk, "", ""};
  const auto report = try_escapes();
  if (!report) {
    return {finding.check, Health::kFailure, report.error().message,
            "modules cannot be loaded: does something around this process filter prctl, capset or seccomp?"};
  }
  finding.found =
      fmt::format("{}, {}; {} of {} attempts to get out refused",
                  report->filters_calls ? "system calls filtered" : "no filter of system calls",
                  report->landlock_version > 0 ? fmt::format("landlock {}", report->landlock_version) : "no landlock",
                  report->attempts - report->succeeded.size(), report->attempts);
  if (report->filters_calls && report->succeeded.empty()) return finding;
  finding.health = report->filters_calls ? Health::kFailure : Health::kWarning;
  finding.advice = report->filters_calls
                       ? fmt::format("what should be refused and is not: {}", fmt::join(report->succeeded, ", "))
                       : "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER): a module that breaks out of the "
                         "compiler could do what this user can";
  return finding;
}

}  // namespace

void examine_limits(Findings& findings) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  Finding open_files{"open files", Health::kOk,
                     fmt::format("{} (limit {})", limit_text(files.rlim_cur), limit_text(files.rlim_max)), ""};
  // The node raises its own limit as far as it may.
  if (files.rlim_max < kWantedFiles) {
    open_files.health = files.rlim_max < kLeastFiles ? Health::kFailure : Health::kWarning;
    open_files.advice = fmt::format(
        "nginx' workers need two for each request: raise the hard limit to {} "
        "(LimitNOFILE= of systemd, or ulimit -Hn)",
        kWantedFiles);
  }
  findings.push_back(std::move(open_files));
  rlimit stack{};
  ::getrlimit(RLIMIT_STACK, &stack);
  const auto engine = engine::Engine::create();  // knows how much modules need
  findings.push_back({"stack", engine ? Health::kOk : Health::kFailure, limit_text(stack.rlim_cur),
                      engine ? "" : engine.error().message});
}

void examine_kernel(Findings& findings) {
  utsname name{};
  ::uname(&name);
  findings.push_back({"kernel", Health::kOk, fmt::format("{} {}", name.sysname, name.release), ""});
  const auto sealed = seal_in_memory("secbeat-doctor", "x");
  findings.push_back(
      {"sealed memory", sealed ? Health::kOk : Health::kFailure, sealed ? "yes" : sealed.error().message,
       sealed ? "" : "artifacts run from a sealed memfd: Linux 5.3 or later, and no filter on memfd_create"});
  // Without it the same memory is used; a file of it could then be executed as a program.
  Finding noexec = yes_or_no("sealed memory without execution (MFD_NOEXEC_SEAL)", has_noexec_seal(), Health::kOk, "");
  if (noexec.found == "no") noexec.found = "no (Linux 6.3 has it; a node does without)";
  findings.push_back(std::move(noexec));
  findings.push_back(yes_or_no("handles on processes (pidfd)", static_cast<bool>(open_pidfd(::getpid())),
                               Health::kFailure, "Linux 5.3 or later is needed, and no filter on pidfd_open"));
  const long landlock = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kLandlockVersion);
  findings.push_back({"landlock", Health::kOk,
                      landlock > 0 ? fmt::format("yes (version {})", landlock) : "no (a node does without)", ""});
  constexpr std::string_view kNever = "2";
  if (first_line("/proc/sys/vm/overcommit_memory") == kNever) {
    findings.push_back({"address space", Health::kWarning, "vm.overcommit_memory is 2",
                        "each instance of a module reserves 4 GiB of addresses: set vm.overcommit_memory to 0 or 1"});
  }
}

void examine_engine(Findings& findings) {
  const auto engine = engine::Engine::create();
  const Result<void> runs = engine ? engine::self_test(**engine) : Result<void>(std::unexpected(engine.error()));
  findings.push_back(
      {"rule engine", runs ? Health::kOk : Health::kFailure,
       runs ? "a known module runs from sealed memory" : runs.error().message,
       runs ? "" : "take the build for this machine, and allow executable memory (no MemoryDenyWriteExecute)"});
  const auto report = compile_pass_module();
  const std::string reason = !report ? report.error().message : report->error ? report->error->message : "";
  findings.push_back(
      {"compile child", reason.empty() ? Health::kOk : Health::kFailure,
       reason.empty() ? fmt::format("compiles and rehearses, {:.0f} ms", report->compile_ms + report->rehearse_ms)
                      : reason,
       reason.empty() ? "" : "modules cannot be loaded: look at limits on memory and processes of this user"});
  findings.push_back(confinement_finding());
}

}  // namespace secbeat::agent
