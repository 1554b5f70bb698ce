// What the oracles of tokenizers (tools/oracles/bpe.py, pieces.py) expect of ten thousand strings.
#pragma once
#include <doctest/doctest.h>

#include <fauna/text/bpe.hpp>
#include <string>
#include <vector>

#include "../support/sizes.hpp"
#include "draw.hpp"

namespace test {

using Ids = std::vector<int>;

/// FNV-1a, the oracle's.
struct Hash {
  std::uint64_t h = 0xcbf29ce484222325U;
  void byte(std::uint32_t b) { h = (h ^ b) * 0x100000001b3U; }
  void text(std::string_view s) {
    for (const char c : s) byte(static_cast<unsigned char>(c));
  }
  void number(std::size_t n) {
    for (int i = 0; i < 4; ++i) byte(static_cast<std::uint32_t>(n >> 8 * i) & 255U);
  }
  void ids(Ids const& ids) {
    number(ids.size());
    for (const int i : ids) number(static_cast<std::size_t>(i));
  }
  std::string hex() const {
    std::string s;
    for (int i = 60; i >= 0; i -= 4) s += "0123456789abcdef"[h >> i & 15U];
    return s;
  }
};

/// For one tokenizer, or what all of a file have in common.
struct Expected {
  std::size_t count = 0, group = 0, random_ids = 0, ids = 0;
  std::vector<std::string> fragments, hashes;
  std::vector<Ids> full;

  Expected(std::string const& path, std::string const& tokenizer) {
    const std::string text = fauna::read_file(path);
    fauna::JsonReader in(text, path);
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      if (key == "count") count = static_cast<std::size_t>(in.integer());
      else if (key == "group") group = static_cast<std::size_t>(in.integer());
      else if (key == "random_ids") random_ids = static_cast<std::size_t>(in.integer());
      else if (key == "fragments") fragments = strings(in);
      else if (key == tokenizer) read(in);
      else in.skip();
    }
    in.end();
  }

  /// The oracle's string i.
  std::string string(std::size_t i) const {
    Draw draw{i};
    std::string s;
    if (i % 50 == 49) {
      for (std::uint32_t n = 40 + draw(400); n > 0; --n)
        s += static_cast<char>('a' + static_cast<int>(draw(26) % (3 + i % 23)));
      return s;
    }
    for (std::uint32_t parts = draw(14); parts > 0; --parts) {
      const std::uint32_t kind = draw(8);
      if (kind == 5) draw.scalar(0x110000, s);
      else if (kind == 6) draw.scalar(0x3000, s);
      else {
        std::string const& f = fragments[draw(fragments.size())];
        for (std::uint32_t n = kind < 5 ? 1 : 1 + draw(6); n > 0; --n) s += f;
      }
    }
    return s;
  }

 private:
  static std::vector<std::string> strings(fauna::JsonReader& in) {
    std::vector<std::string> all;
    in.enter_array();
    while (in.next_item()) all.push_back(in.string());
    return all;
  }
  void read(fauna::JsonReader& in) {
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      if (key == "ids") ids = static_cast<std::size_t>(in.integer());
      else if (key == "hashes") hashes = strings(in);
      else if (key == "full") {
        in.enter_array();
        while (in.next_item()) {
          full.emplace_back();
          in.enter_array();
          while (in.next_item()) full.back().push_back(static_cast<int>(in.integer()));
        }
      } else {
        in.skip();
      }
    }
  }
};

/// The reference's options, and whether its hashes have the ids with special tokens as text, too.
struct Reference {
  fauna::EncodeOptions options{};
  bool without_special = true;
};

inline void equals_reference(fauna::Bpe const& bpe, Expected const& e, Reference r = {}) {
  Ids known;
  for (int i = 0; i < bpe.vocab(); ++i)
    if (bpe.has(i)) known.push_back(i);
  REQUIRE(known.size() == e.ids);
  REQUIRE(e.count >= 10'000);
  REQUIRE(e.hashes.size() * e.group == e.count);
  for (std::size_t i = 0; i < e.full.size(); ++i) {
    INFO("string ", i, ": ", e.string(i));
    CHECK(bpe.encode(e.string(i), r.options) == e.full[i]);
  }
  for (std::size_t g = 0; g < e.hashes.size(); g += size(1U, 10U)) {
    Hash h;
    for (std::size_t i = g * e.group; i < (g + 1) * e.group; ++i) {
      const std::string text = e.string(i);
      const Ids ids = bpe.encode(text, r.options);
      h.ids(ids);
      h.text(bpe.decode(ids));
      if (r.without_special) h.ids(bpe.encode(text, {.match_special = false, .add_special = false}));
      Draw draw{i};
      Ids random(e.random_ids);
      for (int& id : random) id = known[draw(known.size())];
      h.text(bpe.decode(random, !r.without_special));
    }
    INFO("strings from ", g * e.group);
    CHECK(h.hex() == e.hashes[g]);
  }
}

}  // namespace test
