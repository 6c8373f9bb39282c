#include "event_ring.hpp"

namespace secbeat::worker {

control::Event to_event(const EventRecord& record) {
  control::Event event;
  event.unix_ms = record.unix_ms;
  event.method = record.method.view();
  event.uri = record.uri.view();
  event.source_ip = record.source_ip.view();
  event.module = record.module.view();
  event.version_id = record.version_id;
  event.kind = record.kind;
  event.rule = record.rule.view();
  event.message = record.message.view();
  return event;
}

}  // namespace secbeat::worker
