# 100,000 inputs at every landing; 1,000,000 with FAUNA_EVERYTHING.
set(fuzz_inputs 100000)
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
