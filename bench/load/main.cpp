// secbeat-load: an open-loop HTTP/1.1 client for loss and latency.
//
// Requests are due at fixed times and latency counts from the due time, so that a stalled server is not hidden by
// a waiting client. At rate 0 the loop is closed instead: every connection always has a request under way, which
// is how the CPU time of a request is measured at saturation. Nothing is retried: every failure is counted by kind.
// Each answer can be written as a line
// (--records) with the times on CLOCK_MONOTONIC and the receipt that names the version which decided.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <deque>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "http_reply.hpp"
#include "secbeat/base/unique_fd.hpp"

namespace secbeat::bench {
namespace {

using Clock = std::chrono::steady_clock;
volatile sig_atomic_t stop_requested = 0;

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;
  double rate = 2000;
  unsigned connections = 32;
  double seconds = 10;
  unsigned post_percent = 25;
  std::string records;
  std::string accept_status = "200";
};

// Reference requests: a browser's GET of 787 bytes and a POST with 2,039 bytes of JSON. Each differs in its query, so
// that no cache of one request flatters the result.
std::string make_get(const Options& options, std::uint64_t number) {
  char query[128];
  std::snprintf(query, sizeof query,
                "/products/list?q=%020llu&sort=price_asc&page=%04llu&filter=color%%3Ablue&session=abcdef0123456789",
                static_cast<unsigned long long>(number * 2654435761U), static_cast<unsigned long long>(number % 10000));
  const std::string request =
      std::string("GET ") + query + " HTTP/1.1\r\nHost: " + options.host + ":" + std::to_string(options.port) +
      "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
      "Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nCookie: ";
  constexpr std::size_t kRequestBytes = 787;
  std::string cookie = "session=0123456789abcdef; theme=dark; consent=yes; basket=";
  const std::size_t rest = request.size() + cookie.size() + 4;
  if (rest < kRequestBytes) cookie.append(kRequestBytes - rest, 'c');
  return request + cookie + "\r\n\r\n";
}

std::string make_post(const Options& options, std::uint64_t number) {
  constexpr std::size_t kBodyBytes = 2039;
  std::string body = "{\"order\":" + std::to_string(number) + ",\"lines\":[";
  for (unsigned line = 0; body.size() + 60 < kBodyBytes; ++line) {
    body += (line == 0 ? "" : ",") + std::string("{\"sku\":\"A-") + std::to_string(1000 + line) +
            "\",\"count\":" + std::to_string(1 + line % 7) + ",\"price\":9.99}";
  }
  body += "],\"note\":\"";
  if (body.size() + 2 < kBodyBytes) body.append(kBodyBytes - body.size() - 2, 'n');
  body += "\"}";
  return "POST /orders HTTP/1.1\r\nHost: " + options.host + ":" + std::to_string(options.port) +
         "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: application/json\r\nContent-Type: "
         "application/json\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Connection {
  UniqueFd fd;
  bool busy = false;
  std::uint64_t number = 0;
  Clock::time_point due;
  Clock::time_point sent;
  std::string out;  // what could not be written at once
  ReplyReader reader;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options), connections_(options.connections) {
    if (!options.records.empty()) records_.open(options.records);
    epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    accepted_.insert(std::stoi(options.accept_status));
  }

  void run() {
    const auto start = Clock::now();
    const auto end =
        start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds));
    if (options_.rate > 0) {
      send_at_rate(start, end);
    } else {
      keep_busy(end);
    }
    const auto patience = Clock::now() + std::chrono::seconds(5);
    while ((busy() > 0 || !backlog_.empty()) && Clock::now() < patience) {
      send_due();
      wait(Clock::now() + std::chrono::milliseconds(10));
    }
    for (Connection& connection : connections_) {
      if (connection.busy) lose(connection, "no_answer");
    }
    failures_["never_sent"] += backlog_.size();
    seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
  }

  [[nodiscard]] nlohmann::ordered_json summary() {
    nlohmann::ordered_json out;
    std::sort(latencies_us_.begin(), latencies_us_.end());
    const auto percentile = [&](double p) {
      if (latencies_us_.empty()) return std::uint64_t{0};
      const auto index = static_cast<std::size_t>(p / 100 * static_cast<double>(latencies_us_.size() - 1));
      return std::uint64_t{latencies_us_[index]};
    };
    std::uint64_t failed = 0;
    for (const auto& [kind, count] : failures_) failed += count;
    out["answers"] = latencies_us_.size();
    out["failed"] = failed;
    out["failures"] = failures_;
    out["closed_by_server"] = closed_idle_ + said_close_;
    out["closed_while_idle"] = closed_idle_;
    out["said_connection_close"] = said_close_;
    out["connects"] = connects_;
    out["seconds"] = seconds_;
    out["statuses"] = statuses_;
    out["receipts"] = receipts_;
    out["latency_us"] = {{"p50", percentile(50)},
                         {"p95", percentile(95)},
                         {"p99", percentile(99)},
                         {"p99_9", percentile(99.9)},
                         {"max", percentile(100)}};
    return out;
  }

 private:
  [[nodiscard]] std::size_t busy() const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(), [](const auto& c) { return c.busy; }));
  }

  void send_at_rate(Clock::time_point start, Clock::time_point end) {
    const auto interval = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / options_.rate));
    auto next_due = start;
    while (!stop_requested && next_due < end) {
      const auto now = Clock::now();
      while (next_due <= now && next_due < end) {
        backlog_.push_back(next_due);
        next_due += interval;
      }
      send_due();
      wait(next_due);
    }
  }

  void keep_busy(Clock::time_point end) {
    while (!stop_requested && Clock::now() < end) {
      for (std::size_t under_way = busy(); under_way < connections_.size(); ++under_way) {
        backlog_.push_back(Clock::now());
      }
      send_due();
      wait(end);
    }
  }

  bool connect(Connection& connection) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    ::inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
    const int one = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.ptr = &connection;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event);
    connection.fd = std::move(fd);
    connection.reader.reset();
    ++connects_;
    return true;
  }

  void send_due() {
    while (!backlog_.empty()) {
      Connection* idle = nullptr;
      for (std::size_t i = 0; i < connections_.size(); ++i) {  // in turn, so that every connection is used
        Connection& candidate = connections_[(next_connection_ + i) % connections_.size()];
        if (!candidate.busy) {
          idle = &candidate;
          next_connection_ = (next_connection_ + i + 1) % connections_.size();
          break;
        }
      }
      if (idle == nullptr) return;
      start_request(*idle, backlog_.front());
      backlog_.pop_front();
    }
  }

  void start_request(Connection& connection, Clock::time_point due) {
    connection.number = ++number_;
    connection.due = due;
    connection.sent = Clock::now();
    connection.busy = true;
    if (!connection.fd && !connect(connection)) {
      lose(connection, "refused");
      return;
    }
    const bool post = number_ % 100 < options_.post_percent;
    const std::string request = post ? make_post(options_, number_) : make_get(options_, number_);
    const ssize_t n = ::send(connection.fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (n != static_cast<ssize_t>(request.size())) lose(connection, "send_failed");  // 3 KB always fit an idle socket
  }

  void wait(Clock::time_point until) {
    const auto ns =
        std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(until - Clock::now()).count());
    const timespec timeout{ns / 1000000000, ns % 1000000000};
    epoll_event events[64];
    const int count = ::epoll_pwait2(epoll_.get(), events, 64, &timeout, nullptr);
    for (int i = 0; i < count; ++i) receive(*static_cast<Connection*>(events[i].data.ptr));
  }

  void receive(Connection& connection) {
    char buffer[16384];
    for (;;) {
      const ssize_t n = ::recv(connection.fd.get(), buffer, sizeof buffer, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        if (!connection.busy) {
          ++closed_idle_;
          connection.fd.reset();
        } else {
          lose(connection, n < 0 ? "reset" : connection.reader.started() ? "truncated" : "closed_before_answer");
        }
        return;
      }
      const ReplyState state = connection.reader.feed({buffer, static_cast<std::size_t>(n)});
      if (state == ReplyState::kBroken || (state == ReplyState::kComplete && !connection.busy)) {
        lose(connection, "malformed");
        return;
      }
      if (state == ReplyState::kComplete) complete(connection);
    }
  }

  void complete(Connection& connection) {
    const auto now = Clock::now();
    const HttpReply& reply = connection.reader.reply();
    latencies_us_.push_back(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now - connection.due).count()));
    ++statuses_[std::to_string(reply.status)];
    ++receipts_[reply.receipt];
    if (!accepted_.contains(reply.status)) ++failures_["status_" + std::to_string(reply.status)];
    record(connection, now, reply.status, reply.receipt);
    const bool closes = reply.closes;
    connection.busy = false;
    connection.reader.reset();
    if (closes) {
      ++said_close_;
      connection.fd.reset();
    }
  }

  void lose(Connection& connection, const char* kind) {
    ++failures_[kind];
    record(connection, Clock::now(), 0, kind);
    connection.busy = false;
    connection.fd.reset();
    connection.reader.reset();
  }

  void record(const Connection& connection, Clock::time_point done, int status, const std::string& what) {
    if (!records_.is_open()) return;
    const auto us = [](Clock::time_point t) {
      return std::chrono::duration_cast<std::chrono::microseconds>(t.time_since_epoch()).count();
    };
    records_ << us(connection.due) << ' ' << us(connection.sent) << ' ' << us(done) << ' ' << status << ' '
             << (what.empty() ? "-" : what) << '\n';
  }

  Options options_;
  std::vector<Connection> connections_;
  std::size_t next_connection_ = 0;
  UniqueFd epoll_;
  std::deque<Clock::time_point> backlog_;
  std::uint64_t number_ = 0;
  std::set<int> accepted_;
  std::ofstream records_;
  std::vector<std::uint32_t> latencies_us_;
  std::map<std::string, std::uint64_t> failures_, statuses_, receipts_;
  std::uint64_t closed_idle_ = 0, said_close_ = 0, connects_ = 0;
  double seconds_ = 0;
};

}  // namespace
}  // namespace secbeat::bench

int main(int argc, char** argv) {
  using namespace secbeat::bench;
  CLI::App app("Sends HTTP requests at a fixed rate over kept connections and counts what is lost.", "secbeat-load");
  Options options;
  app.add_option("--host", options.host, "IPv4 address; only loopback is sensible")->capture_default_str();
  app.add_option("--port", options.port, "Port")->capture_default_str();
  app.add_option("--rate", options.rate, "Requests a second; 0: as many as the connections carry")
      ->check(CLI::Range(0.0, 100000.0))
      ->capture_default_str();
  app.add_option("--connections", options.connections, "Kept connections")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "How long; SIGTERM ends it earlier")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app.add_option("--post-percent", options.post_percent, "Share of POST")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  app.add_option("--accept-status", options.accept_status, "Any other status counts as failed")
      ->check(CLI::Range(100, 599))
      ->capture_default_str();
  app.add_option("--records", options.records,
                 "A line for each answer: due sent done (µs, CLOCK_MONOTONIC) status receipt");
  CLI11_PARSE(app, argc, argv);

  struct sigaction action{};
  action.sa_handler = [](int) { stop_requested = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  Load load(options);
  load.run();
  std::printf("%s\n", load.summary().dump(2).c_str());
  return 0;
}
