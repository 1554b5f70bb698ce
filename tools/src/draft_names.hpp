// What --draft can say:  ngram, auto, ngram-tree, pool:FILE, medusa:FILE, eagle:FILE, mtp, exit:LAYERS,
// lookahead:N,W,G, a model, or ngram+ a model.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include <fauna/core/number_text.hpp>
#include <fauna/decode/speculate/lookahead.hpp>

namespace tool {

/// What stands behind a beginning, or nothing where it begins otherwise.
inline std::string behind(std::string const& beginning, std::string const& draft) {
  return draft.rfind(beginning, 0) == 0 ? draft.substr(beginning.size()) : "";
}
/// The file of a pool, or nothing.
inline std::string pool_of(std::string const& draft) { return behind("pool:", draft); }
inline bool is_lookahead(std::string const& draft) { return draft.rfind("lookahead:", 0) == 0; }
/// The numbers of lookahead:N,W,G. Throws where they are none, or say what cannot be.
inline fauna::LookaheadShape lookahead_of(std::string const& draft) {
  fauna::LookaheadShape shape;
  int end = 0;
  const int read =
      std::sscanf(draft.c_str(), "lookahead:%4d,%4d,%4d%n", &shape.length, &shape.window, &shape.candidates, &end);
  if (read != 3 || static_cast<std::size_t>(end) != draft.size())
    fauna::fail("fauna", "--draft " + draft, "lookahead:N,W,G, such as lookahead:5,7,7",
                "n-grams of N tokens, a window of W, G candidates");
  shape.check();
  return shape;
}
inline bool is_exit(std::string const& draft) { return draft.rfind("exit:", 0) == 0; }
/// The layers of exit:LAYERS. Throws where they are no number.
inline int exit_of(std::string const& draft) {
  int layers = 0, end = 0;
  if (std::sscanf(draft.c_str(), "exit:%6d%n", &layers, &end) != 1 || static_cast<std::size_t>(end) != draft.size())
    fauna::fail("fauna", "--draft " + draft, "exit:LAYERS, such as exit:4", "how many first layers draft");
  return layers;
}
/// The numbers of --draft-tree, P1,P2,...: how often candidates of each rank are right. Throws where they are none.
inline std::vector<double> ranks_of(std::string const& draft_tree) {
  constexpr std::size_t most = 16;
  std::vector<double> all;
  std::string number;
  for (const char c : draft_tree + ',') {
    if (c != ',') {
      number += c;
      continue;
    }
    double p = 0;
    if (!fauna::number_text::parse(number, p) || !(p >= 0 && p <= 1) || all.size() == most)
      fauna::fail("fauna", "--draft-tree " + draft_tree, "P1,P2,..., such as 0.6,0.2,0.1",
                  "up to " + std::to_string(most) + " numbers from 0 to 1, as --draft-stats says them");
    all.push_back(p);
    number.clear();
  }
  return all;
}
/// Drafts that branch, of heads or a layer that read the model's own rows.
inline bool is_tree_of_rows(std::string const& draft) {
  return !behind("medusa:", draft).empty() || !behind("eagle:", draft).empty();
}
/// And of the text alone.
inline bool is_tree_of_text(std::string const& draft) { return draft == "ngram-tree" || is_lookahead(draft); }
/// Drafts that are chains, follow the text alone, and need neither the model's own rows nor what other texts said.
inline bool follows_text(std::string const& draft) {
  return !draft.empty() && draft != "auto" && draft != "mtp" && pool_of(draft).empty() && !is_exit(draft) &&
         !is_tree_of_text(draft) && !is_tree_of_rows(draft);
}
/// The model that drafts, or nothing where none does.
inline std::string draft_model_of(std::string const& draft) {
  if (draft == "ngram" || !follows_text(draft)) return "";
  const std::string second = behind("ngram+", draft);
  return second.empty() ? draft : second;
}
/// Drafts whose tree --draft-tree gives the shape of.
inline bool takes_shape(std::string const& draft) {
  return !behind("medusa:", draft).empty() || (!draft.empty() && draft_model_of(draft) == draft);
}

}  // namespace tool
