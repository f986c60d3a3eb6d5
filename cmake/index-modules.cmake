# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# "cmake --install" runs this: depmod makes the new modules visible to modprobe.
# It does nothing for a staging folder (DESTDIR); the packager's tools do it.

if(NOT "$ENV{DESTDIR}" STREQUAL "" OR NOT dir MATCHES "^/lib/modules/")
	return()
endif()
message(STATUS "Indexing the modules of ${kernel}")
execute_process(COMMAND depmod ${kernel} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
	message(FATAL_ERROR "depmod failed. The modules are installed, but "
		"modprobe cannot find them. Run as root: depmod ${kernel}")
endif()
