// Which tokens of a conversation somebody learns from: what the assistant says, and the token that ends its turn.
#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <tools/src/chat.hpp>

namespace tool {

/// Who says a message; empty where that is not said.
inline std::string_view role_of(fauna::jinja::Value const& message) {
  using namespace fauna::jinja;
  Value const* role = message.is == kind::dict ? message.dict->find("role") : nullptr;
  return role != nullptr && role->is == kind::text ? std::string_view(role->text->bytes) : std::string_view();
}

/// Bytes [from, to) of a conversation's text for each of its answers: those in {% generation %} blocks; in a template
/// without such, what the text has up to a message of the assistant and not before it. Throws, naming `where`, on a
/// template that changes what was said.
inline std::vector<std::pair<std::size_t, std::size_t>> answers(Chat const& chat, fauna::jinja::Heap& heap,
                                                                fauna::jinja::List const& messages,
                                                                Chat::Values const& values,
                                                                fauna::jinja::Text const& all,
                                                                std::string const& where) {
  using namespace fauna::jinja;
  std::vector<std::pair<std::size_t, std::size_t>> found;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if ((all.mark_at(i) & generated) == 0) continue;
    if (found.empty() || found.back().second != i) found.emplace_back(i, i);
    found.back().second = i + 1;
  }
  if (!found.empty()) return found;
  const auto common = [&all](Text const& t) {
    const std::size_t n = std::min(t.size(), all.size());
    return static_cast<std::size_t>(
        std::mismatch(t.bytes.begin(), t.bytes.begin() + static_cast<std::ptrdiff_t>(n), all.bytes.begin()).first -
        t.bytes.begin());
  };
  for (std::size_t i = 0; i < messages.items.size(); ++i) {
    const Value m = messages.items[i];
    if (role_of(m).empty())
      fauna::fail("finetune", where + ": message " + std::to_string(i) + " has no role",
                  "an object with role and content");
    if (role_of(m) != "assistant") continue;
    const auto first = [&](std::size_t n) {
      return Value(heap.list({messages.items.begin(), messages.items.begin() + static_cast<std::ptrdiff_t>(n)}));
    };
    const std::size_t from = i == 0 ? 0 : common(chat.text(heap, first(i), true, values)),
                      to = common(chat.text(heap, first(i + 1), false, values));
    Value const* content = m.dict->find("content");
    const std::string said =
        content != nullptr && content->is == kind::text ? strip(*content->text, 3).bytes : std::string();
    if (to <= from || (i > 0 && all.bytes.substr(from, to - from).find(said) == std::string::npos))
      fauna::fail("finetune",
                  where + ": the chat template changes what was said before message " + std::to_string(i) +
                      " or in it, so that it is not known which part is the answer",
                  "a template with {% generation %} around answers");
    found.emplace_back(from, to);
  }
  return found;
}

/// The ids of a conversation, ~id for those that are no target. An answer's targets end with its last special token,
/// which ends the turn, if it has one: what stands between turns is not learnt.
inline std::vector<int> conversation(fauna::Bpe const& tokenizer, Chat const& chat, fauna::jinja::Heap& heap,
                                     fauna::jinja::List const& messages, Chat::Values const& values,
                                     std::string const& where) {
  const fauna::jinja::Text all = chat.text(heap, fauna::jinja::Value(&messages), false, values);
  std::vector<int> ids = Chat::ids(tokenizer, all);
  // The token in which byte `at` begins, or the one that it lies in.
  const auto token_at = [&](std::size_t at) {
    const std::vector<int> before = Chat::ids(tokenizer, all.part(0, at));
    const std::size_t n = std::min(before.size(), ids.size());
    return std::mismatch(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(n), ids.begin()).second -
           ids.begin();
  };
  std::vector<bool> target(ids.size());
  for (auto const& [from, to] : answers(chat, heap, messages, values, all, where)) {
    const auto begin = token_at(from);
    auto end = token_at(to);
    for (auto last = end; last > begin; --last)
      if (tokenizer.special(ids[static_cast<std::size_t>(last - 1)])) {
        end = last;
        break;
      }
    for (auto i = begin; i < end; ++i) target[static_cast<std::size_t>(i)] = true;
  }
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (!target[i]) ids[i] = ~ids[i];
  return ids;
}

}  // namespace tool
