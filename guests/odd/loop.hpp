// An endless loop that no optimiser removes.
#pragma once

inline void loop_for_ever() {
  for (;;) __asm__ volatile("");
}
