// What the API's documents hold of what the rehearsal found out: the cost, and the rules that came and went.
#include "api_documents.hpp"
#include "secbeat/http/value.hpp"

namespace secbeat::agent {
using namespace http;  // the words of documents
namespace {

using engine::Cost;

constexpr Member kCostMembers[] = {
    {"fuel", count("Of the most expensive sample request: about one for each instruction of the module"),
     member<&Cost::fuel>},
    {"request", text("The name of that sample request"), member<&Cost::request>},
    {"at_least", flag("It was stopped there, and costs more"), member<&Cost::at_least>},
};

Json label_or_null(const InventoryChange& change) {
  return change.compared_with.empty() ? Json() : Json(change.compared_with);
}
template <auto Pointer>
Json compared(const InventoryChange& change) {
  return change.compared_with.empty() ? Json() : value_of(change.*Pointer);
}
template <auto Pointer>
constexpr Member::Value if_compared = &computed<InventoryChange, compared<Pointer>>;

constexpr Schema kIds = text("The id of a rule").list();
constexpr Member kInventoryMembers[] = {
    {"rules", count("That the new version lists"), member<&InventoryChange::rules>},
    {"compared_with", text("The version before; null: it lists none, or nobody knows").or_null(),
     computed<InventoryChange, label_or_null>},
    {"rules_before", count("That it lists").or_null(), if_compared<&InventoryChange::rules_before>},
    {"added", count().or_null(), if_compared<&InventoryChange::added>},
    {"removed", count().or_null(), if_compared<&InventoryChange::removed>},
    {"changed", count("With the same id").or_null(), if_compared<&InventoryChange::changed>},
    {"added_ids", kIds, member<&InventoryChange::added_ids>},
    {"removed_ids", kIds, member<&InventoryChange::removed_ids>},
    {"changed_ids", kIds, member<&InventoryChange::changed_ids>},
};

}  // namespace

Json value_of(const Cost& cost) { return write(documents::kCost, &cost); }
Json value_of(const std::optional<Cost>& cost) { return cost ? value_of(*cost) : Json(); }
Json value_of(const InventoryChange& change) { return write(documents::kInventory, &change); }

namespace documents {
const DocumentType kCost{"Cost", "What the most expensive sample request costs", kCostMembers};
const DocumentType kInventory{
    "Inventory", "How the rules differ from those of the version before; of each list the first 20", kInventoryMembers};
}  // namespace documents

}  // namespace secbeat::agent
