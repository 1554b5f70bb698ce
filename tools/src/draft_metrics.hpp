// How well a drafter that has just been trained drafts: the last line of its metrics.jsonl.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/print.hpp>
#include <fauna/train/hidden_rows.hpp>

namespace tool {

/// Pieces of a text, which a model goes on with greedily while chains of four are drafted for it.
struct DraftProbe {
  static constexpr int texts = 8, longest = 32, draft = 4;
  std::vector<int> const& ids;
  int prompt, tokens;  ///< of each

  DraftProbe(std::vector<int> const& text, int context)
      : ids(text),
        prompt(std::min({static_cast<int>(text.size()) / 2, longest, context / 2})),
        tokens(std::min(longest, context - prompt)) {}
  int rows() const { return prompt + tokens; }

  /// Members of a JSON object: how often each place was accepted where all before it were, and tokens a step. reader:
  /// of the model, of rows() tokens.
  template <class R, class D> std::string members(R& reader, D& drafter) const {
    fauna::DraftCounts all{.seen = std::vector<long>(draft), .accepted = std::vector<long>(draft)};
    const int n = static_cast<int>(ids.size());
    for (int i = 0; i < texts; ++i) {
      const auto from = ids.begin() + static_cast<std::ptrdiff_t>(n - prompt) * i / texts;
      const auto got = fauna::speculate(reader, drafter, std::vector<int>(from, from + prompt),
                                        {.text = {.tokens = tokens, .temperature = 0, .top_k = 0, .context = rows()},
                                         .draft = std::min(draft, rows() - 1)});
      all.steps += got.counts.steps, all.tokens += got.counts.tokens;
      for (std::size_t k = 0; k < got.counts.seen.size(); ++k)
        all.seen[k] += got.counts.seen[k], all.accepted[k] += got.counts.accepted[k];
    }
    std::string places;
    for (std::size_t k = 0; k < draft; ++k)
      places +=
          (k > 0 ? "," : "") +
          std::to_string(all.seen[k] > 0 ? static_cast<double>(all.accepted[k]) / static_cast<double>(all.seen[k]) : 0);
    return "\"acceptance\":[" + places + "],\"tokens_per_step\":" + std::to_string(all.tokens_per_step());
  }
};

/// The same of Medusa's heads, of which each drafts a token, for a model as it is now. text: ids.
template <class T>
std::string acceptance_of_heads(T& model, fauna::MedusaWeights const& heads, std::vector<int> const& text) {
  const DraftProbe probe(text, fauna::context_of<typename T::model>);
  fauna::Reader<T, true> reader(model, probe.rows());
  fauna::DraftTree chain;
  for (int k = 0; k < heads.heads; ++k) chain.chain(0);
  fauna::MedusaHeads drafter(reader, chain, &heads);
  return probe.members(reader, drafter);
}

/// How many windows the model had to read.
inline void say_computed(fauna::HiddenRows const& rows, std::string const& file) {
  fauna::print(stdout, std::to_string(rows.computed()) +
                           " windows were read by the model, all others' rows come from " + file + '\n');
}

/// Numbers with something between.
inline std::string joined(std::vector<float> const& numbers, const char* between) {
  std::string all;
  for (const float x : numbers) all += (all.empty() ? "" : between) + std::to_string(x);
  return all;
}

}  // namespace tool
