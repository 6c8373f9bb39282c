// Alone in its file: where a program brings its own (base/faults/), the linker leaves this one in the library.
#include "secbeat/base/fault_point.hpp"

namespace secbeat {

void fault_point(FaultPoint) noexcept {}

}  // namespace secbeat
