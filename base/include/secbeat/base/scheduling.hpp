// How soon a thread runs once it is woken.
#pragma once

namespace secbeat {

// For the calling thread, when it sleeps most of the time and must be on time: timers without slack, and slices of
// 0.1 ms, the shortest there are. Linux then runs it as soon as it wakes, before threads whose slices are longer
// (EEVDF, since 6.12, sched_setattr(2)); its share of a busy processor stays what it is. Needs no privilege. Older
// kernels know no slices, and where something is refused nothing changes.
void wake_on_time() noexcept;

}  // namespace secbeat
