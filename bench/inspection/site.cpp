#include "site.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <stdexcept>

#include "secbeat/base/files.hpp"
#include "secbeat/engine/compile.hpp"

namespace secbeat::bench {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20U;

fs::path make_folder() {
  std::string pattern = "/dev/shm/secbeat-bench-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder in /dev/shm");
  return pattern;
}

void must(const Result<void>& done, std::string_view what) {
  if (!done) throw std::runtime_error(std::string(what) + ": " + done.error().message);
}

}  // namespace

std::string artifact_of(std::string_view guest) {
  const fs::path folder = make_folder();
  engine::CompileJob job;
  job.module = fs::path(SECBEAT_GUESTS_DIR) / (std::string(guest) + ".wasm");
  job.output = folder / "artifact";
  const auto report = value_of(engine::run_compile_job(job), guest);
  if (report.error) throw std::runtime_error(report.error->message);
  std::string bytes = value_of(read_file(job.output, kMaxBytes), "artifact");
  fs::remove_all(folder);
  return bytes;
}

Site::Site(std::string_view guest, engine::Isolation isolation, std::string_view config) : folder_(make_folder()) {
  const control::StatePaths paths{folder_};
  const std::string artifact = artifact_of(guest);
  control::Version version;
  version.id = 1;
  version.label = "v1";
  version.sha256 = std::string(64, '0');
  version.artifact_sha256 = sha256_hex(artifact);
  for (const fs::path& file : {paths.artifact("x"), paths.config("x"), paths.scoreboard()}) {
    fs::create_directories(file.parent_path());
  }
  must(write_file_atomically(paths.artifact(version.artifact_sha256), artifact), "artifact");
  if (!config.empty()) {
    version.config_sha256 = sha256_hex(config);
    must(write_file_atomically(paths.config(version.config_sha256), config), "configuration");
  }
  control::Slot slot;
  slot.name = guest;
  slot.isolation = isolation;
  slot.current = version.id;
  slot.versions = {version};
  control::InForce in_force;
  in_force.generation = 1;
  in_force.slots = {slot};
  must(write_file_atomically(paths.in_force(), control::to_json(in_force)), "in_force.json");
  scoreboard_ = value_of(control::Scoreboard::create(paths.scoreboard(), ::geteuid(), ::getegid()), "scoreboard");
  worker_ = value_of(
      worker::Worker::start(
          {.state_dir = folder_,
           .pid = ::getpid(),
           .parent_pid = ::getppid(),
           .log = [](std::string_view line) { throw std::runtime_error("the worker says: " + std::string(line)); }}),
      "worker");
}

Site::~Site() {
  worker_->stop();
  worker_.reset();
  fs::remove_all(folder_);
}

}  // namespace secbeat::bench
