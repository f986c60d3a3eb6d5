# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Toolchain: programs for a guest of arm64, built on another architecture against the
# headers and libraries of the guest's root file system (guest-root.sh).
#
#   cmake -DCMAKE_TOOLCHAIN_FILE=cmake/arm64.cmake -DPEERMEM_GUEST_ROOT=FOLDER

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# try_compile() reads this file too.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PEERMEM_GUEST_ROOT)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_SYSROOT ${PEERMEM_GUEST_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(ENV{PKG_CONFIG_SYSROOT_DIR} ${PEERMEM_GUEST_ROOT})
set(ENV{PKG_CONFIG_LIBDIR}
	${PEERMEM_GUEST_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${PEERMEM_GUEST_ROOT}/usr/share/pkgconfig)

# Debian's folder of libraries. CMake does not choose it when it cross-compiles.
set(CMAKE_INSTALL_LIBDIR lib/${CMAKE_LIBRARY_ARCHITECTURE} CACHE PATH "Folder of libraries")
