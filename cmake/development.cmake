# What the project's own programs are built with. Nothing here reaches a user of the library.
option(FAUNA_NATIVE "compile our programs for this machine's processor" OFF)
option(FAUNA_WERROR "warnings in our programs are errors" ${FAUNA_TESTS})
option(FAUNA_LONG_TESTS "build and run the tests that train for more than a few seconds" ON)
option(FAUNA_PROJECT_TESTS "test the sources, the packaging and the other compilers too, not only this build" OFF)
set(FAUNA_SANITIZE "" CACHE STRING "sanitizers for our programs, such as address,undefined")
set(FAUNA_SANITIZE_LESS "" CACHE STRING "checks of these that are left out, such as null,alignment")
set(FAUNA_TEST_PREFIX "" CACHE STRING "put before every test's name, to tell builds apart in one summary")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_EXTENSIONS OFF)

find_package(Python3 REQUIRED COMPONENTS Interpreter)
# A version manager's `python3` is a shell script that takes longer to start than Python does.
execute_process(COMMAND ${Python3_EXECUTABLE} -c "import sys; print(sys.executable)" OUTPUT_VARIABLE FAUNA_PYTHON
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

# Through the compiler cache; what every compilation took is kept for the test `memory`.
set(CMAKE_CXX_COMPILER_LAUNCHER ${FAUNA_PYTHON} ${PROJECT_SOURCE_DIR}/tests/scripts/measured.py
                                ${PROJECT_BINARY_DIR}/compilations.tsv)
set(CMAKE_CUDA_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/tools/cached)

execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/isa OUTPUT_VARIABLE FAUNA_MACHINE_ISA OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
if(FAUNA_NATIVE)
  # A folder of native objects that was carried to another kind of machine would die on an illegal instruction.
  if(DEFINED CACHE{FAUNA_NATIVE_ISA} AND NOT FAUNA_NATIVE_ISA STREQUAL FAUNA_MACHINE_ISA)
    message(FATAL_ERROR "${PROJECT_BINARY_DIR} holds a native build for ${FAUNA_NATIVE_ISA}, this machine is "
                        "${FAUNA_MACHINE_ISA}: use another build folder")
  endif()
  set(FAUNA_NATIVE_ISA ${FAUNA_MACHINE_ISA} CACHE INTERNAL "")
endif()

# Warnings and sanitizers of every program of ours.
add_library(fauna_checks INTERFACE)
target_compile_options(fauna_checks INTERFACE -Wall -Wextra -Wpedantic -Wconversion $<$<BOOL:${FAUNA_WERROR}>:-Werror>)
# GCC 12 finds overlapping copies inside "text" + std::string, where there are none (its bug 105329).
target_compile_options(fauna_checks INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(FAUNA_SANITIZE)
  target_compile_options(fauna_checks INTERFACE -fsanitize=${FAUNA_SANITIZE} -fno-sanitize-recover=all
                                                -fno-omit-frame-pointer)
  if(FAUNA_SANITIZE_LESS)
    target_compile_options(fauna_checks INTERFACE -fno-sanitize=${FAUNA_SANITIZE_LESS})
  endif()
  target_link_options(fauna_checks INTERFACE -fsanitize=${FAUNA_SANITIZE})
endif()

# The flags of a program for the machine the build was configured for.
add_library(fauna_program INTERFACE)
target_link_libraries(fauna_program INTERFACE fauna::cpu fauna_checks $<$<BOOL:${FAUNA_NATIVE}>:fauna::native>)
