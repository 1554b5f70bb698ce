# 30,000 inputs at every landing; 1,000,000 with FAUNA_EVERYTHING.
set(fuzz_inputs 30000)
if(FAUNA_EVERYTHING)
  set(fuzz_inputs 1000000)
endif()
fauna_test(fuzz/safetensors ${CMAKE_CURRENT_LIST_DIR}/run ${fuzz_inputs} ${work}/fuzz ${FAUNA_CLANGXX})
fauna_test(fuzz/pth ${CMAKE_CURRENT_LIST_DIR}/run ${fuzz_inputs} ${work}/fuzz ${FAUNA_CLANGXX} pth io/pth.hpp
           io/pickle.hpp io/zip.hpp)
fauna_test(fuzz/rwkv_cpp ${CMAKE_CURRENT_LIST_DIR}/run ${fuzz_inputs} ${work}/fuzz ${FAUNA_CLANGXX} rwkv_cpp
           io/rwkv_cpp.hpp)
fauna_test(fuzz/gguf ${CMAKE_CURRENT_LIST_DIR}/run ${fuzz_inputs} ${work}/fuzz ${FAUNA_CLANGXX} gguf io/gguf.hpp
           io/quants.hpp)
fauna_test(fuzz/template ${CMAKE_CURRENT_LIST_DIR}/run ${fuzz_inputs} ${work}/fuzz ${FAUNA_CLANGXX} template
           text/template/text.hpp text/template/value.hpp text/template/lexer.hpp text/template/expressions.hpp
           text/template/parser.hpp text/template/render.hpp text/template/operations.hpp text/template/numbers.hpp
           text/template/methods.hpp text/template/filters.hpp text/template/tests.hpp text/template/functions.hpp
           text/template/to_json.hpp text/template/builtin.hpp text/template/context.hpp)
fauna_test(fuzz/sentencepiece ${CMAKE_CURRENT_LIST_DIR}/run ${fuzz_inputs} ${work}/fuzz ${FAUNA_CLANGXX} sentencepiece
           text/sentencepiece.hpp text/charsmap.hpp text/sentence_rules.hpp text/score_merges.hpp text/unigram.hpp
           io/protobuf.hpp)
