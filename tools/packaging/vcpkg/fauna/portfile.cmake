# The headers and the CMake package of a checkout: FAUNA_SOURCE_PATH, or the one that this file is in. An overlay port:
#   vcpkg install fauna --overlay-ports=CHECKOUT/tools/packaging/vcpkg
if(DEFINED ENV{FAUNA_SOURCE_PATH})
  set(SOURCE_PATH "$ENV{FAUNA_SOURCE_PATH}")
else()
  cmake_path(SET SOURCE_PATH NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../../../..")
endif()

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DFAUNA_TESTS=OFF
    -DFAUNA_EXAMPLES=OFF
    -DFAUNA_TOOLS=OFF
    -DFAUNA_MPI=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/fauna)
vcpkg_fixup_pkgconfig()

# Headers alone: there is nothing to debug, and no library.
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug" "${CURRENT_PACKAGES_DIR}/lib")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
