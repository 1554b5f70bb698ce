// What --draft can say:  ngram, auto, ngram-tree, pool:FILE, medusa:FILE, eagle:FILE, a model, or ngram+ a model.
#pragma once
#include <string>

namespace tool {

/// What stands behind a beginning, or nothing where it begins otherwise.
inline std::string behind(std::string const& beginning, std::string const& draft) {
  return draft.rfind(beginning, 0) == 0 ? draft.substr(beginning.size()) : "";
}
/// The file of a pool, or nothing.
inline std::string pool_of(std::string const& draft) { return behind("pool:", draft); }
/// Drafts that branch.
inline bool is_tree(std::string const& draft) {
  return draft == "ngram-tree" || !behind("medusa:", draft).empty() || !behind("eagle:", draft).empty();
}
/// The model that drafts, or nothing where none does.
inline std::string draft_model_of(std::string const& draft) {
  if (draft.empty() || draft == "ngram" || draft == "auto" || !pool_of(draft).empty() || is_tree(draft)) return "";
  const std::string second = behind("ngram+", draft);
  return second.empty() ? draft : second;
}

}  // namespace tool
