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

#include "secbeat/base/listen.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::agent {

struct NginxProcess {
  pid_t pid = 0;
  pid_t parent = 0;
  enum class Role { kMaster, kWorker } role = Role::kWorker;
  uid_t user = 0;
};

// What a process is by its title. Any program can give itself that title, so whose it is says how far it is to be
// believed. Empty: there is no such process, it is no nginx, or it has rights of two users (a program with the setuid
// bit, whose title is up to whoever started it).
std::optional<NginxProcess> nginx_process(pid_t pid);
// Every nginx master and worker that runs in `prefix`.
std::vector<NginxProcess> nginx_processes_in(const std::filesystem::path& prefix);

bool is_nginx_master(pid_t pid);

// A handle that becomes readable when the process ends. Invalid: there is no such process.
UniqueFd open_pidfd(pid_t pid);
// The same where the process is still what it was when it was looked at: its pid may be another's by now.
UniqueFd hold(const NginxProcess& process);
// False: the process is gone.
bool send_signal(const UniqueFd& pidfd, int signal);
// Whether the process ended within `timeout`.
bool wait_for_end(const UniqueFd& pidfd, std::chrono::milliseconds timeout);
// Reaps it where it is our child. "killed by signal 9 (Killed)", "exited with status 1"; empty: not our child.
std::string reap(const UniqueFd& pidfd);

// What to do about a worker that does not answer. Its pid comes from the scoreboard, where a process of the workers'
// user can write any: nobody is told to end what is no worker of nginx.
std::string advice_on_hanging(pid_t worker);
}  // namespace secbeat::agent
