# Tests of the project around the programs: sources, packaging, documents, and what other compilers and flags make of
# them. They run once, in one build.
find_program(FAUNA_CLANGXX clang++ REQUIRED)
find_program(FAUNA_CLANG_FORMAT clang-format REQUIRED)
find_program(FAUNA_CLANG_TIDY clang-tidy REQUIRED)
find_program(FAUNA_NVCC nvcc PATHS /usr/local/cuda/bin)
set(python ${FAUNA_PYTHON})
set(source ${PROJECT_SOURCE_DIR})
set(work ${CMAKE_CURRENT_BINARY_DIR})
get_target_property(eigen Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)

# What the scripts know to be good they check all the same.
set(all "")
if(FAUNA_EVERYTHING)
  set(all --all)
endif()

include(fuzz/fuzz.cmake)

# Sources.
set(mpi "")
if(TARGET fauna::mpi)
  list(TRANSFORM MPI_CXX_INCLUDE_DIRS PREPEND -isystem OUTPUT_VARIABLE mpi)
endif()
fauna_test(sources/format ${python} ${scripts}/format.py ${source} ${FAUNA_CLANG_FORMAT})
fauna_test(sources/tidy ${python} ${scripts}/tidy.py ${source} ${work}/tidy ${FAUNA_CLANG_TIDY} ${all} -isystem ${eigen} ${mpi})
fauna_test(sources/packages ${python} ${scripts}/packages.py ${source} ${work}/packages ${CMAKE_CXX_COMPILER})
fauna_test(sources/conan ${python} ${scripts}/conan.py ${source} ${work}/conan)
set_tests_properties(${prefix}sources/conan PROPERTIES SKIP_REGULAR_EXPRESSION "not run")
fauna_test(sources/bench_processor ${python} ${scripts}/bench_processor.py ${source}/tools/bench)
fauna_test(sources/bench_families ${python} ${scripts}/bench_families.py ${source}/bench/families)
# A macro with the checkout's path would keep the compiler cache from serving another folder.
fauna_test(sources/commands_name_no_checkout sh -c "! grep -oE -e '-D[^ ]*${source}[^ ]*' compile_commands.json")
fauna_test(sources/cached ${python} ${scripts}/cached_test.py)
fauna_test(sources/known_good ${python} ${scripts}/known_good_test.py)
fauna_test(sources/include_edges ${python} ${scripts}/include_edges.py ${source}/include)
fauna_test(sources/include_edges_rules ${python} ${scripts}/include_edges.py --self-test)
fauna_test(sources/headers_alone ${python} ${scripts}/headers_alone.py ${source} ${all} ${CMAKE_CXX_COMPILER}
           -isystem ${eigen} ${mpi})
fauna_test(sources/benches ${python} ${scripts}/benches.py ${source} ${all} ${CMAKE_CXX_COMPILER} -isystem ${eigen} ${mpi}
           -fopenmp)
set(two_cores sources/headers_alone sources/benches)
if(FAUNA_EVERYTHING)
  fauna_test(sources/headers_alone_clang++ ${python} ${scripts}/headers_alone.py ${source} ${all} ${FAUNA_CLANGXX}
             -isystem ${eigen} ${mpi})
  fauna_test(sources/headers_alone_native ${python} ${scripts}/headers_alone.py ${source} ${all} ${FAUNA_CLANGXX}
             -isystem ${eigen} ${mpi} -march=native -fopenmp)
  list(APPEND two_cores sources/headers_alone_clang++ sources/headers_alone_native)
endif()
foreach(test IN LISTS two_cores)
  set_tests_properties(${prefix}${test} PROPERTIES PROCESSORS 2)
endforeach()
fauna_test(sources/instantiations ${python} ${scripts}/instantiations.py ${source} ${all}
           ${CMAKE_CURRENT_SOURCE_DIR}/budget/budget.txt ${work}/budget ${FAUNA_CLANGXX} ${CMAKE_CURRENT_SOURCE_DIR}/budget/corpus.cpp -I${source}/include)
fauna_test(sources/documents ${python} ${scripts}/docs_blocks.py ${source} ${work}/documents ${all} ${CMAKE_CXX_COMPILER}
           $<IF:$<BOOL:${FAUNA_EVERYTHING}>,-O2,-O1> -march=native -fopenmp)

# Another processor than x86-64, under emulation: vectors, a scan, a model with the reference's numbers, training.
fauna_test(aarch64 ${scripts}/aarch64.sh ${source} ${work}/aarch64 ${eigen} ${CMAKE_CURRENT_SOURCE_DIR}/ops/test_simd.cpp
           ${CMAKE_CURRENT_SOURCE_DIR}/ops/test_scan.cpp ${CMAKE_CURRENT_SOURCE_DIR}/models/test_gpt_neox.cpp
           ${CMAKE_CURRENT_SOURCE_DIR}/train/test_trained.cpp)
set_tests_properties(${prefix}aarch64 PROPERTIES SKIP_REGULAR_EXPRESSION "not run")

# What must compile: presets have the counts of parameters that were published.
add_library(presets OBJECT models/presets.cpp models/presets_recurrent.cpp models/presets_hybrid.cpp)
target_link_libraries(presets PRIVATE fauna::fauna fauna_checks)
target_compile_options(presets PRIVATE ${light})

# What must not compile.
file(GLOB cases CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} compile_fail/*.cpp)
foreach(case IN LISTS cases)
  cmake_path(GET case STEM name)
  foreach(compiler IN ITEMS ${CMAKE_CXX_COMPILER} ${FAUNA_CLANGXX})
    cmake_path(GET compiler FILENAME compiler_name)
    fauna_test(compile_fail/${name}/${compiler_name} ${python} ${scripts}/compile_fail.py ${source} ${all}
               ${CMAKE_CURRENT_SOURCE_DIR}/${case} ${compiler} -I${source}/include)
  endforeach()
endforeach()

# Other projects.
foreach(kind IN ITEMS find_package add_subdirectory fetch_content pkg_config include_path single_header)
  fauna_test(consumer/${kind} ${scripts}/consumer.sh ${kind} ${source} ${PROJECT_BINARY_DIR} ${work}/consumer/${kind}
             ${CMAKE_CXX_COMPILER})
endforeach()

# tools/fauna: flags, model directories, and texts of other vocabularies. Where a model runs, it is compiled first.
if(TARGET fauna_tool)
  set(models ${CMAKE_CURRENT_SOURCE_DIR}/golden/models)
  fauna_test(tools/flags ${scripts}/tool_flags.sh $<TARGET_FILE:fauna_tool> ${work}/tool_flags)
  fauna_test(tools/recipes ${python} ${scripts}/tool_recipes.py $<TARGET_FILE:fauna_tool> ${work}/tool_recipes
             ${source}/examples/configs)
  fauna_test(tools/compile ${scripts}/tool_compile.sh $<TARGET_FILE:fauna_tool> ${work}/tool_compile ${models})
  fauna_test(tools/types ${scripts}/tool_types.sh $<TARGET_FILE:fauna_tool> ${models})
  fauna_test(tools/configs ${python} ${scripts}/tool_configs.py $<TARGET_FILE:fauna_tool> ${work}/tool_configs ${models})
  fauna_test(tools/logits ${python} ${scripts}/tool_logits.py $<TARGET_FILE:fauna_tool> ${work}/tool_logits ${models})
  fauna_test(tools/eval ${python} ${scripts}/tool_eval.py $<TARGET_FILE:fauna_tool> ${work}/tool_eval
             ${CMAKE_CURRENT_SOURCE_DIR}/golden)
  fauna_test(tools/export ${python} ${scripts}/tool_export.py $<TARGET_FILE:fauna_tool> ${work}/tool_export ${models})
  fauna_test(tools/cases ${python} ${scripts}/tool_cases.py $<TARGET_FILE:fauna_tool> ${work}/tool_cases ${models})
  fauna_test(tools/drafts ${python} ${scripts}/tool_drafts.py $<TARGET_FILE:fauna_tool> ${work}/tool_drafts ${models})
  fauna_test(tools/weights ${python} ${scripts}/tool_weights.py $<TARGET_FILE:fauna_tool> ${work}/tool_weights
             ${CMAKE_CURRENT_SOURCE_DIR}/golden)
  fauna_test(tools/download ${python} ${scripts}/tool_download.py $<TARGET_FILE:fauna_tool> ${work}/tool_download ${models})
  fauna_test(tools/run ${python} ${scripts}/tool_run.py $<TARGET_FILE:fauna_tool> ${work}/tool_run)
  fauna_test(sources/site ${python} ${scripts}/site_pages.py ${source} ${work}/site $<TARGET_FILE:fauna_tool>)
  set_tests_properties(${prefix}sources/site PROPERTIES SKIP_REGULAR_EXPRESSION "not run")
  fauna_test(tools/diff ${python} ${scripts}/tool_diff.py $<TARGET_FILE:fauna_tool> ${work}/tool_diff)
  fauna_test(tools/data ${python} ${scripts}/tool_data.py $<TARGET_FILE:fauna_tool> ${work}/tool_data)
  fauna_test(tools/tokenizer ${python} ${scripts}/tool_tokenizer.py $<TARGET_FILE:fauna_tool> ${work}/tool_tokenizer ${models})
  fauna_test(tools/scheduler_threads ${scripts}/thread_sanitizer.sh ${source} ${work}/scheduler_threads ${FAUNA_CLANGXX}
             ${CMAKE_CURRENT_SOURCE_DIR}/tools/test_serve.cpp)
  fauna_test(tools/server ${python} ${scripts}/tool_server.py $<TARGET_FILE:fauna_tool> ${work}/tool_server ${models})
  if(FAUNA_EVERYTHING)
    set(requests 10000)
  else()
    set(requests 300)
  endif()
  fauna_test(tools/soak ${python} ${scripts}/tool_soak.py $<TARGET_FILE:fauna_tool> ${work}/tool_soak ${models} ${requests})
  fauna_test(tools/page ${python} ${scripts}/tool_page.py $<TARGET_FILE:fauna_tool> ${work}/tool_page ${models})
  set_tests_properties(${prefix}tools/page PROPERTIES SKIP_REGULAR_EXPRESSION "not run")
  fauna_test(tools/conversation ${python} ${scripts}/tool_chat.py $<TARGET_FILE:fauna_tool> ${work}/tool_chat ${models})
  fauna_test(tools/openai_client ${python} ${scripts}/openai_client.py $<TARGET_FILE:fauna_tool>)
  fauna_test(tools/gguf_peer ${python} ${scripts}/gguf_peer.py $<TARGET_FILE:fauna_tool> ${models})
  fauna_test(tools/harness_client ${python} ${scripts}/harness_client.py $<TARGET_FILE:fauna_tool>)
  fauna_test(tools/openapi_client ${python} ${scripts}/openapi_client.py $<TARGET_FILE:fauna_tool> ${work}/openapi_client ${models})
  fauna_test(tools/finetune ${python} ${scripts}/tool_finetune.py $<TARGET_FILE:fauna_tool> ${work}/tool_finetune ${models}
             ${CMAKE_CURRENT_SOURCE_DIR}/golden/adapters)
  fauna_test(tools/characters_30 ${scripts}/tool_train.sh $<TARGET_FILE:fauna_tool> ${work}/tool_30 30 f32)
  fauna_test(tools/characters_100 ${scripts}/tool_train.sh $<TARGET_FILE:fauna_tool> ${work}/tool_100 100 bf16)
  if(TARGET fauna::mpi AND FAUNA_MPIRUN)
    fauna_test(tools/ranks ${python} ${scripts}/tool_ranks.py $<TARGET_FILE:fauna_tool> ${work}/tool_ranks ${FAUNA_MPIRUN})
    fauna_test(tools/hosts ${python} ${scripts}/tool_hosts.py $<TARGET_FILE:fauna_tool> ${work}/tool_hosts ${FAUNA_MPIRUN})
    set_tests_properties(${prefix}tools/hosts PROPERTIES DEPENDS ${prefix}tools/ranks SKIP_REGULAR_EXPRESSION "not run")
  else()
    fauna_test(tools/ranks ${CMAKE_COMMAND} -E echo "MPI is not installed: no ranks, not run")
    set_tests_properties(${prefix}tools/ranks PROPERTIES SKIP_REGULAR_EXPRESSION "not run")
  endif()
  # Its models are those of the other two, which have compiled them then.
  set_tests_properties(${prefix}tools/export PROPERTIES DEPENDS "${prefix}tools/logits;${prefix}tools/characters_30")
  foreach(test IN ITEMS cases drafts server soak page conversation openapi_client)
    set_tests_properties(${prefix}tools/${test} PROPERTIES DEPENDS ${prefix}tools/logits)
  endforeach()
  set_tests_properties(${prefix}tools/run PROPERTIES DEPENDS ${prefix}tools/characters_30)
  foreach(test IN ITEMS recipes tokenizer)
    set_tests_properties(${prefix}tools/${test} PROPERTIES DEPENDS ${prefix}tools/characters_30)
  endforeach()
  if(NOT FAUNA_EVERYTHING)
    # Tiny models are compiled for longer than they run; those that train on a text are not.
    foreach(test IN ITEMS logits eval export cases drafts weights server soak page conversation openapi_client ranks)
      set_property(TEST ${prefix}tools/${test} APPEND PROPERTY ENVIRONMENT CXXFLAGS=-O0)
    endforeach()
    foreach(test IN ITEMS run recipes tokenizer finetune characters_30 characters_100)
      set_property(TEST ${prefix}tools/${test} APPEND PROPERTY ENVIRONMENT CXXFLAGS=-O1)
    endforeach()
  endif()
endif()

# Parts with different flags in one program. Unoptimised, where nothing is inlined and every shared name shows.
foreach(side IN ITEMS narrow wide)
  add_library(flags_${side} OBJECT flags/side.cpp)
  target_compile_definitions(flags_${side} PRIVATE SIDE=${side})
  target_compile_options(flags_${side} PRIVATE -O0)
endforeach()
target_link_libraries(flags_narrow PRIVATE fauna::fauna fauna_checks)
target_link_libraries(flags_wide PRIVATE fauna::cpu fauna::native fauna_checks)
add_executable(flags flags/main.cpp $<TARGET_OBJECTS:flags_narrow> $<TARGET_OBJECTS:flags_wide>)
target_link_libraries(flags PRIVATE fauna::cpu fauna_checks)
fauna_test(flags $<TARGET_FILE:flags>)
fauna_test(flags_nvcc ${scripts}/nvcc_link.sh ${source} ${work}/flags_nvcc ${FAUNA_NVCC} ${CMAKE_CXX_COMPILER})

# The CUDA policy: its ops, and two whole programs as the project builds them, for the oldest and the newest
# architecture, without spilled registers; and the tests of its kernels compiled for a device (they run on the SIMT
# executor in tests/cuda).
fauna_test(nvcc/every_op ${scripts}/nvcc_device.sh ${source} ${work}/nvcc/every_op ${FAUNA_NVCC}
           ${CMAKE_CURRENT_SOURCE_DIR}/cuda/every_op.cu --no-run)
fauna_test(nvcc/every_recurrent_op ${scripts}/nvcc_device.sh ${source} ${work}/nvcc/every_recurrent_op ${FAUNA_NVCC}
           ${CMAKE_CURRENT_SOURCE_DIR}/cuda/every_recurrent_op.cu --no-run)
fauna_test(nvcc/shakespeare ${scripts}/nvcc_device.sh ${source} ${work}/nvcc/shakespeare ${FAUNA_NVCC} shakespeare --no-run)
# Without a device nothing of it runs: then two stand for all, and one whole program.
execute_process(COMMAND nvidia-smi -L RESULT_VARIABLE no_device OUTPUT_QUIET ERROR_QUIET)
if(FAUNA_EVERYTHING OR NOT no_device)
  fauna_test(nvcc/llama ${scripts}/nvcc_device.sh ${source} ${work}/nvcc/llama ${FAUNA_NVCC} llama)
endif()
set(parity ops attention experts products models loaded loaded_bf16 recurrent recurrence recurrent_parts mamba3 recurrent_models)
if(no_device AND NOT FAUNA_EVERYTHING)
  set(parity loaded_bf16 recurrent_models)
endif()
foreach(test IN LISTS parity)
  fauna_test(nvcc/parity_${test} ${scripts}/nvcc_parity.sh ${source} ${work}/nvcc/parity_${test} ${FAUNA_NVCC}
             cuda/test_simt_${test}.cpp $<TARGET_OBJECTS:tests_main>)
endforeach()

fauna_test(nvcc/nccl ${scripts}/nvcc_nccl.sh ${source} ${work}/nvcc/nccl ${FAUNA_NVCC} mpicxx)

# nvcc's host pass.
foreach(file IN ITEMS core/test_interface.cpp models/test_gpt_host.cpp)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    cmake_path(GET file STEM name)
    fauna_test(nvcc/${name} ${scripts}/nvcc_host.sh ${source} ${work}/nvcc/${name} ${FAUNA_NVCC}
               ${CMAKE_CURRENT_SOURCE_DIR}/${file} $<TARGET_OBJECTS:tests_main>)
  endif()
endforeach()

# The matrix product is the one op with a path of its own per instruction set. Every path but the build's own is
# compiled here, and run where the processor can. What it cannot run is compiled with FAUNA_EVERYTHING.
set(isas baseline avx2 avx512 avx512bf16)
set(flags_baseline -march=x86-64)
set(flags_avx2 -march=x86-64-v3)
set(flags_avx512 -march=x86-64-v4)
set(flags_avx512bf16 -march=x86-64-v4 -mavx512bf16 -mavx512vnni)
set(build_isa baseline)
if(FAUNA_NATIVE)
  set(build_isa ${FAUNA_MACHINE_ISA})
endif()
list(FIND isas ${FAUNA_MACHINE_ISA} machine_rank)
file(GLOB gemm_files CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ops/test_gemm*.cpp)
set(executed "${build_isa} (everything)")
set(skipped "")
foreach(isa IN LISTS isas)
  list(FIND isas ${isa} rank)
  if(isa STREQUAL build_isa)
    continue()
  elseif(NOT FAUNA_EVERYTHING AND (isa STREQUAL "avx512" OR rank GREATER machine_rank))
    list(APPEND skipped "${isa} (only with --all)")
    continue()
  endif()
  fauna_doctest(lowering_${isa} LIBRARIES fauna::cpu fauna_checks SOURCES ${gemm_files})
  target_compile_options(lowering_${isa} PRIVATE ${flags_${isa}} $<$<NOT:$<BOOL:${FAUNA_EVERYTHING}>>:-O1>)
  if(rank GREATER machine_rank)
    list(APPEND skipped "${isa} (compiled only)")
    fauna_test(lowering/${isa} ${CMAKE_COMMAND} -E echo "this processor has no ${isa}: compiled, not run")
    set_tests_properties(${prefix}lowering/${isa} PROPERTIES SKIP_REGULAR_EXPRESSION "compiled, not run")
  else()
    list(APPEND executed "${isa} (matrix products)")
    fauna_test(lowering/${isa} $<TARGET_FILE:lowering_${isa}> --no-intro)
    set_tests_properties(${prefix}lowering/${isa} PROPERTIES FAIL_REGULAR_EXPRESSION "test cases: +0 \\|")
  endif()
endforeach()
if(NOT skipped)
  set(skipped none)
endif()
list(JOIN executed ", " executed)
list(JOIN skipped ", " skipped)
file(WRITE ${PROJECT_BINARY_DIR}/isa_paths.txt "ISA paths executed: ${executed}; skipped: ${skipped}\n")
