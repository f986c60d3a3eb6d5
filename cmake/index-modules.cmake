# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Run by "cmake --install": has modprobe see the new modules. Not in a staging
# folder: there the packager's tools do it.

if(NOT "$ENV{DESTDIR}" STREQUAL "" OR NOT dir MATCHES "^/lib/modules/")
	return()
endif()
message(STATUS "Indexing the modules of ${kernel}")
execute_process(COMMAND depmod ${kernel} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
	message(FATAL_ERROR "depmod failed; the modules are installed, but "
		"modprobe does not find them. Run as root: depmod ${kernel}")
endif()
