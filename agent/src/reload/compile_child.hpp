// Compiling in a process of its own, because a compile cannot be cancelled and a process can.
//
// `secbeat-compile --child …` writes its report as JSON to standard output. It is killed at the time limit, when
// it writes too much, and when the caller cancels; it is always reaped before run() returns. The child confines itself
// (secbeat/engine/confine.hpp) before it reads the module.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cancel_token.hpp"
#include "secbeat/base/error.hpp"
#include "secbeat/base/unique_fd.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::agent {

// What turns a job into a report; the reload pipeline knows no more of it.
class Compiler {
 public:
  virtual ~Compiler() = default;
  // An error of the module is in the report. Errors of the result: kCompileTimeout, kMemoryLimit (of the
  // compile), kCompileFailed (the process died), kCancelled, kIo.
  virtual Result<engine::CompileReport> run(const engine::CompileJob& job, const CancelToken& cancel) = 0;
};

struct CompileChildOptions {
  std::filesystem::path program;  // secbeat-compile
  std::chrono::milliseconds timeout{30000};
  std::size_t data_bytes = std::size_t{2} << 30U;
  std::size_t file_bytes = std::size_t{256} << 20U;  // of the artifact
};

// Thread safety: constant after construction; run() may be called from any thread.
class CompileChild final : public Compiler {
 public:
  static constexpr std::size_t kMaxReportBytes = std::size_t{8} << 20U;
  static constexpr std::size_t kMaxErrorBytes = 4096;  // the end of standard error, for the message

  // kConfig where the program is not there. It is held open: what replaces the file while the agent runs belongs to
  // the next agent.
  static Result<std::unique_ptr<CompileChild>> open(CompileChildOptions options);
  Result<engine::CompileReport> run(const engine::CompileJob& job, const CancelToken& cancel) override;
  // What the child says when it tries to get out of its confinement, as JSON. Errors as of run().
  Result<std::string> try_escapes();

 private:
  Result<std::string> said_by(std::vector<std::string> words, const CancelToken& cancel);
  CompileChild(CompileChildOptions options, UniqueFd program)
      : options_(std::move(options)), program_(std::move(program)) {}

  const CompileChildOptions options_;
  const UniqueFd program_;
};

}  // namespace secbeat::agent
