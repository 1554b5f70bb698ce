// What proposes how a text may go on, for a target to verify.
#pragma once
#include <vector>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// d.propose(text, most, draw) appends up to `most` tokens to the text, or none. draw(logits [vocab]) is the token that
/// belongs at the end of the text, drafts included, by a drafter's own logits: for drafters that have any. Whatever is
/// proposed, the text stays the target's; a good proposal makes it come sooner. A drafter that knows a vocabulary has
/// vocab().
template <class D>
concept Drafter = requires(D& d, std::vector<int>& text, int most, int (*draw)(const float*)) {
  d.propose(text, most, draw);
};

}  // namespace fauna::inline v0
