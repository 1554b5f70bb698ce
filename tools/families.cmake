# The families of models, for the launcher and for tests. A family registers itself, from an object: out of a library
# the linker would take none, as nothing calls them.
include_guard(GLOBAL)
file(GLOB families CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/src/families/*.cpp)
add_library(fauna_families OBJECT ${families})
target_include_directories(fauna_families PUBLIC ${PROJECT_SOURCE_DIR})
# Several in one unit: most of a file's time goes into the headers that all of them read.
set_target_properties(fauna_families PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 7)
target_compile_options(fauna_families PRIVATE -O0)
target_link_libraries(fauna_families PUBLIC fauna nlohmann_json::nlohmann_json PRIVATE fauna_checks)
