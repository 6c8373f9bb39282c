#include "metrics_process.hpp"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include "metrics_series.hpp"

namespace secbeat::agent {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Unix time at which this process started, or 0: field 22 of /proc/self/stat counts ticks since boot.
double start_time_seconds() {
  std::string stat;
  std::getline(std::ifstream("/proc/self/stat"), stat);
  // The command in parentheses may hold spaces; field 3 follows it.
  std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 2, stat.size())));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  double uptime = 0;
  std::ifstream("/proc/uptime") >> uptime;
  timeval now{};
  ::gettimeofday(&now, nullptr);
  const double ticks = std::strtod(field.c_str(), nullptr);
  return seconds_of(now) - uptime + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double open_descriptors() {
  std::error_code error;
  double count = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", error); !error && it != end(it);
       it.increment(error)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // without the one that reads the folder
}

void add_one(std::vector<prometheus::MetricFamily>& families, const char* name, const char* help, double value) {
  prometheus::MetricFamily family = gauge_family(name, help);
  add_gauge(family, {}, value);
  families.push_back(std::move(family));
}

}  // namespace

void add_process(std::vector<prometheus::MetricFamily>& families) {
  static const double started = start_time_seconds();  // the same at each scrape
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  double virtual_pages = 0;
  double resident_pages = 0;
  std::ifstream("/proc/self/statm") >> virtual_pages >> resident_pages;
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);

  prometheus::MetricFamily cpu =
      counter_family("process_cpu_seconds_total", "CPU time of the agent, user and system, in seconds.");
  add_counter(cpu, {}, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  families.push_back(std::move(cpu));
  add_one(families, "process_resident_memory_bytes", "Resident memory of the agent.", resident_pages * page);
  add_one(families, "process_virtual_memory_bytes", "Virtual memory of the agent.", virtual_pages * page);
  add_one(families, "process_open_fds", "Open file descriptors of the agent.", open_descriptors());
  add_one(families, "process_max_fds", "Limit of open file descriptors.", static_cast<double>(files.rlim_cur));
  add_one(families, "process_start_time_seconds", "Start of the agent in seconds since 1970.", started);
}

}  // namespace secbeat::agent
