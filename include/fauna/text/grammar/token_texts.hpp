// What each token of a tokenizer adds to a text, as bytes: what masks (mask.hpp) go by.
#pragma once
#include <string>
#include <vector>

#include <fauna/text/bpe.hpp>

namespace fauna::inline v0::grammar {

/// texts[vocab]; empty for special tokens, which a text does not show, for those of `ends`, which end one, and for ids
/// without a token. That decoding may strip the beginning of a text is not in it.
inline std::vector<std::string> token_texts(Bpe const& bpe, int vocab, std::vector<int> const& ends = {}) {
  std::vector<std::string> texts(static_cast<std::size_t>(vocab));
  const auto visible = [&](int id) { return bpe.has(id) && !bpe.special(id); };
  // Decoding within a text: after a token that leaves nothing to strip, and nothing held back.
  Bpe::Stream within(bpe);
  for (int id = 0; id < vocab && id < bpe.vocab(); ++id) {
    if (!visible(id)) continue;
    Bpe::Stream fresh(bpe);
    const std::string text = fresh.push(id);
    if (text.empty() || text[0] == ' ' || !Bpe::Stream(fresh).finish().empty()) continue;
    within = fresh;
    break;
  }
  for (int id = 0; id < vocab && id < bpe.vocab(); ++id) {
    if (!visible(id)) continue;
    const std::string_view bytes = bpe.bytes(id);
    Bpe::Stream stream = within;
    std::string text = stream.push(id);
    text += stream.finish();
    // Where decoding goes wrong, the token is a part of a character: of a byte-level tokenizer its bytes, else <0x..>.
    const int fallback = bpe::fallback_byte(bytes);
    if (fallback >= 0 && text != bytes) text.assign(1, static_cast<char>(fallback));
    else if (text.find(bpe::replacement) != std::string::npos) text = bytes;
    texts[static_cast<std::size_t>(id)] = text;
  }
  for (const int id : ends)
    if (id >= 0 && id < vocab) texts[static_cast<std::size_t>(id)].clear();
  return texts;
}

}  // namespace fauna::inline v0::grammar
