// Advances the engine's epochs while guest code runs, so that a call that does not end is stopped.
//
// One thread, which ticks every millisecond and sleeps when no call ran for a while. Each thread that runs
// guest code says so on a *lane* of its own; who begins a call while the ticker sleeps wakes it first, because
// a call that never returns is never followed by another.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "secbeat/base/error.hpp"
#include "secbeat/engine/engine.hpp"

namespace secbeat::worker {

// Thread safety: lanes by their threads; start and stop by the thread that owns the ticker.
class Ticker {
 public:
  // Thread safety: enter and leave by one thread, in turn.
  class Lane {
   public:
    explicit Lane(Ticker& ticker) noexcept : ticker_(ticker) {}
    void enter() noexcept;
    void leave() noexcept;

   private:
    friend class Ticker;
    Ticker& ticker_;
    // Odd while guest code runs; grows, so that the ticker sees calls that began and ended between two ticks.
    alignas(64) std::atomic<std::uint64_t> steps_{0};
  };

  // Guest code runs on this lane while it lives.
  class Running {
   public:
    explicit Running(Lane& lane) noexcept : lane_(lane) { lane_.enter(); }
    ~Running() { lane_.leave(); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    Lane& lane_;
  };

  // `engine` outlives the ticker.
  static Result<std::unique_ptr<Ticker>> start(engine::Engine& engine);
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void stop() noexcept;

  [[nodiscard]] Lane& loop_lane() noexcept { return loop_lane_; }
  [[nodiscard]] Lane& helper_lane() noexcept { return helper_lane_; }
  // Whether the thread sleeps at this moment.
  [[nodiscard]] bool asleep() const noexcept { return asleep_.load() != 0; }

 private:
  // What both lanes said at one time.
  struct Sight {
    std::uint64_t loop = 0;
    std::uint64_t helper = 0;
    bool operator==(const Sight&) const = default;
    [[nodiscard]] bool running() const noexcept { return ((loop | helper) & 1U) != 0; }
  };

  explicit Ticker(engine::Engine& engine) noexcept : engine_(engine) {}
  void run() noexcept;
  void sleep_unless_changed(const Sight& seen) noexcept;
  void wake() noexcept;
  [[nodiscard]] Sight look() const noexcept;

  engine::Engine& engine_;
  Lane loop_lane_{*this};
  Lane helper_lane_{*this};
  std::atomic<std::uint32_t> asleep_{0};  // the futex: 1 while the thread sleeps or is about to
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace secbeat::worker
