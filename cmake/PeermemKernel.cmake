# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Finds the kernel to build for: version, headers and source tarball. A missing
# or mismatched part is an error that names the package to install.

# Sets ${out} to the newest kernel version of the default series whose headers are
# installed, or to "".
function(peermem_newest_kernel out)
	if(PEERMEM_KERNEL_ROOT)
		file(GLOB found ${PEERMEM_KERNEL_ROOT}/lib/modules/*)
		list(TRANSFORM found REPLACE ".*/" "")
		list(SORT found COMPARE NATURAL ORDER DESCENDING)
	else()
		execute_process(COMMAND ${PROJECT_SOURCE_DIR}/cmake/installed-kernels.sh
			OUTPUT_VARIABLE found)
		string(REGEX MATCHALL "[^\n]+" found "${found}")
	endif()
	list(POP_FRONT found newest)
	set(${out} "${newest}" PARENT_SCOPE)
endfunction()

# Sets ${out} to the name of the package with the headers of the default series.
function(peermem_headers_package out)
	execute_process(COMMAND ${PROJECT_SOURCE_DIR}/packaging/headers-package.sh
		OUTPUT_VARIABLE package ERROR_QUIET RESULT_VARIABLE result
		OUTPUT_STRIP_TRAILING_WHITESPACE)
	if(NOT result EQUAL 0)
		set(package "linux-headers-6.12.X (of the same version as linux-source-6.12)")
	endif()
	set(${out} "${package}" PARENT_SCOPE)
endfunction()

# Sets ${out} to the version of an installed package, or to "".
function(peermem_package_version package out)
	execute_process(COMMAND dpkg-query -W -f "\${Version}" ${package}
		OUTPUT_VARIABLE version ERROR_QUIET RESULT_VARIABLE result)
	if(NOT result EQUAL 0)
		set(version "")
	endif()
	set(${out} "${version}" PARENT_SCOPE)
endfunction()

# The source package must have the same version as the headers. If one of the
# two is not from a package, cmake/extract-source.sh still compares the version
# in the tarball's Makefile.
function(peermem_check_packages series)
	peermem_package_version(linux-headers-${PEERMEM_KERNEL} headers)
	peermem_package_version(linux-source-${series} source)
	if(headers AND source AND NOT headers STREQUAL source)
		message(FATAL_ERROR
			"The kernel headers (linux-headers-${PEERMEM_KERNEL}) are "
			"version ${headers}, the kernel source (linux-source-"
			"${series}) is version ${source}. rxe must be built from "
			"the source of the kernel that loads it. Install the same "
			"version of both: "
			"apt install linux-source-${series}=${headers}")
	endif()
endfunction()

macro(peermem_find_kernel)
	set(PEERMEM_KERNEL_ROOT "" CACHE PATH
		"Root folder of a kernel that is not installed")
	if(NOT PEERMEM_KERNEL)
		peermem_newest_kernel(newest)
		if(NOT newest)
			peermem_headers_package(package)
			message(FATAL_ERROR "No headers of a 6.12 kernel found in "
				"/usr/src. Install them: apt install ${package} (or "
				"./run setup), or choose another kernel: "
				"-DPEERMEM_KERNEL=VERSION")
		endif()
		set(PEERMEM_KERNEL ${newest} CACHE STRING
			"Kernel version to build for" FORCE)
	endif()

	set(PEERMEM_HEADERS /usr/src/linux-headers-${PEERMEM_KERNEL})
	if(PEERMEM_KERNEL_ROOT OR NOT EXISTS ${PEERMEM_HEADERS}/Makefile)
		set(PEERMEM_HEADERS
			${PEERMEM_KERNEL_ROOT}/lib/modules/${PEERMEM_KERNEL}/build)
	endif()
	if(NOT EXISTS ${PEERMEM_HEADERS}/Makefile)
		message(FATAL_ERROR "No headers of kernel ${PEERMEM_KERNEL} found. "
			"Install them: apt install linux-headers-${PEERMEM_KERNEL}, "
			"or choose another kernel: -DPEERMEM_KERNEL=VERSION")
	endif()

	string(REGEX MATCH "^[0-9]+\\.[0-9]+" series ${PEERMEM_KERNEL})
	set(PEERMEM_KERNEL_SOURCE /usr/src/linux-source-${series}.tar.xz CACHE
		FILEPATH "Source tarball of that kernel")
	if(NOT EXISTS ${PEERMEM_KERNEL_SOURCE})
		message(FATAL_ERROR "The kernel source ${PEERMEM_KERNEL_SOURCE} is "
			"missing; rxe is built from it. Install it: "
			"apt install linux-source-${series} (or ./run setup)")
	endif()
	peermem_check_packages(${series})

	message(STATUS "Kernel: ${PEERMEM_KERNEL}, headers in ${PEERMEM_HEADERS}")
endmacro()

# Extracts the parts of the source tarball that the build needs into
# ${PEERMEM_LINUX}, once: rxe for the module, checkpatch and kselftest_harness.h
# for the tests.
function(peermem_extract_source)
	set(PEERMEM_LINUX ${PROJECT_BINARY_DIR}/linux PARENT_SCOPE)
	set(stamp ${PROJECT_BINARY_DIR}/linux.stamp)
	set(PEERMEM_LINUX_STAMP ${stamp} PARENT_SCOPE)
	set(script ${PROJECT_SOURCE_DIR}/cmake/extract-source.sh)
	add_custom_command(OUTPUT ${stamp}
		COMMAND ${script} ${PEERMEM_KERNEL_SOURCE} ${PEERMEM_KERNEL}
			${PROJECT_BINARY_DIR}/linux
		COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
		DEPENDS ${script} ${PEERMEM_KERNEL_SOURCE}
		COMMENT "Extracting rxe and test files from ${PEERMEM_KERNEL_SOURCE}"
		VERBATIM)
	add_custom_target(linux-source DEPENDS ${stamp})
endfunction()
