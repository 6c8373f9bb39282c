// What /proc tells about nginx processes, and handles on them that a reused pid cannot fool.
//
// Our nginx is known by the folder it runs in: master and workers keep the working directory that the supervisor
// gave them, whatever became of pid files and parents.
//
// Thread safety: free functions without shared state; call from any thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

struct NginxProcess {
  pid_t pid = 0;
  pid_t parent = 0;
  enum class Role { kMaster, kWorker } role = Role::kWorker;
};

// Every nginx master and worker that runs in `prefix`.
std::vector<NginxProcess> nginx_processes_in(const std::filesystem::path& prefix);

// 0: there is no such process.
pid_t parent_of(pid_t pid);
bool is_nginx_master(pid_t pid);

// A handle that becomes readable when the process ends. Invalid: there is no such process.
UniqueFd open_pidfd(pid_t pid);
// False: the process is gone.
bool send_signal(const UniqueFd& pidfd, int signal);
// Whether the process ended within `timeout`.
bool wait_for_end(const UniqueFd& pidfd, std::chrono::milliseconds timeout);
// Reaps it where it is our child. "killed by signal 9 (Killed)", "exited with status 1"; empty: not our child.
std::string reap(const UniqueFd& pidfd);

// "nginx (pid 4711)"; the command line where the name alone would not tell.
std::string describe_process(pid_t pid);
// One line of a file of /proc, empty where it cannot be read.
std::string first_line(const std::filesystem::path& file);

}  // namespace secbeat::agent
