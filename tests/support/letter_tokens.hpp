// A tokenizer of few letters, for tests that count tokens.
#pragma once
#include <string>

#include <fauna/text/bpe.hpp>

/// The letters a to h, each a token, then ChatML's two and the letters of its roles.
inline fauna::Bpe letter_tokens() {
  const std::string vocab =
      R"({"a":0,"b":1,"c":2,"d":3,"e":4,"f":5,"g":6,"h":7,"Ċ":8,"s":9,"i":10,"t":11,"n":12,"u":13,"r":14,"y":15,"m":16})";
  const auto special = [](int id, const char* token) {
    return R"({"id":)" + std::to_string(id) + R"(,"content":")" + token +
           R"(","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true})";
  };
  const std::string level = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
  return fauna::Bpe::from_json(
      R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[)" + special(17, "<|im_start|>") + ',' +
          special(18, "<|im_end|>") + R"(],"normalizer":null,"pre_tokenizer":)" + level +
          R"(,"post_processor":null,"decoder":)" + level +
          R"(,"model":{"type":"BPE","dropout":null,"unk_token":null,"vocab":)" + vocab + R"(,"merges":[]}})",
      "letters");
}
