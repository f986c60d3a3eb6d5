# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Targets of the kernel modules.
#
# Only kbuild knows what must be rebuilt, so these targets always run it. If
# nothing has changed, this takes about a second.

# A plain variable unless the user sets it: a new folder is then built as well.
if(NOT PEERMEM_MODULES)
	file(GLOB PEERMEM_MODULES RELATIVE ${PROJECT_SOURCE_DIR}/kernel CONFIGURE_DEPENDS
		${PROJECT_SOURCE_DIR}/kernel/*/Kbuild)
	list(TRANSFORM PEERMEM_MODULES REPLACE "/Kbuild" "")
endif()

# peermem_add_module_tree(TARGET TREE FOLDERS [MAKE-ARGUMENT...])
#
# Lays out the FOLDERS (a list) of kernel/ in build/TREE and builds them there.
function(peermem_add_module_tree target tree folders)
	set(dir ${PROJECT_BINARY_DIR}/${tree})
	list(JOIN folders " " names)
	add_custom_target(${target} ALL
		COMMAND flock ${dir}.lock
			${PROJECT_SOURCE_DIR}/cmake/lay-out.sh
			--linux ${PEERMEM_LINUX} ${PROJECT_SOURCE_DIR}/kernel
			${dir} ${folders}
		COMMAND flock ${dir}.lock
			${PROJECT_SOURCE_DIR}/cmake/build-modules.sh
			${PEERMEM_HEADERS} ${dir} "PEERMEM_MODULES=${names}"
			${ARGN}
		DEPENDS ${PEERMEM_LINUX_STAMP}
		COMMENT "Building ${tree} (${names}) for ${PEERMEM_KERNEL}"
		USES_TERMINAL VERBATIM)
endfunction()

# Target "modules": the modules that "cmake --install" installs. Targets "modules-demo"
# and "modules-demo-cmb": those of them that "./run demo" and "./run demo --cmb" load.
function(peermem_add_modules)
	file(CREATE_LINK ${PROJECT_SOURCE_DIR}/include
		${PROJECT_BINARY_DIR}/include SYMBOLIC)
	set(options)
	if(PEERMEM_SYMBOL_GET)
		list(APPEND options PEERMEM_SYMBOL_GET=y)
	endif()
	if(PEERMEM_DEBUG_INFO)
		list(APPEND options CONFIG_DEBUG_INFO=y)
	endif()
	peermem_add_module_tree(modules kernel "${PEERMEM_MODULES}" ${options})
	peermem_add_module_tree(modules-demo kernel "core;rxe;vram" ${options})
	peermem_add_module_tree(modules-demo-cmb kernel "bar;cmb;core;rxe;vram" ${options})
	set_target_properties(modules-demo modules-demo-cmb PROPERTIES EXCLUDE_FROM_ALL TRUE)
endfunction()

# peermem_add_test_modules(TARGET FOLDER)
#
# Modules that only tests load. FOLDER is relative to the calling CMakeLists.txt
# and has a Kbuild. It is built in the corresponding folder of the build tree,
# after the project's modules and against their symbols.
function(peermem_add_test_modules target folder)
	set(source ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
	set(tree ${CMAKE_CURRENT_BINARY_DIR}/${folder})
	set(symbols ${PROJECT_BINARY_DIR}/kernel/Module.symvers)
	add_custom_target(${target} ALL
		COMMAND ${PROJECT_SOURCE_DIR}/cmake/lay-out.sh ${source} ${tree}
		COMMAND ${PROJECT_SOURCE_DIR}/cmake/build-modules.sh
			${PEERMEM_HEADERS} ${tree} KBUILD_EXTRA_SYMBOLS=${symbols}
			PEERMEM_INCLUDE=${PROJECT_SOURCE_DIR}/include
			PEERMEM_COMPAT=${PROJECT_BINARY_DIR}/kernel
			PEERMEM_RXE=${PROJECT_BINARY_DIR}/kernel/rxe
		COMMENT "Building the test modules of ${folder}"
		USES_TERMINAL VERBATIM)
	add_dependencies(${target} modules)
endfunction()

# Installs the uAPI headers, the udev rule, the service, and their manual pages.
function(peermem_install_headers)
	install(DIRECTORY include/uapi/rdma
		DESTINATION ${CMAKE_INSTALL_FULL_INCLUDEDIR}
		FILES_MATCHING PATTERN "*.h")
	install(FILES packaging/70-peermem.rules
		DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/udev/rules.d)
	install(FILES packaging/rxe@.service
		DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
	foreach(page peer_cmb.4 peer_maps.4 peer_mem.4 peer_vram.4 peermem.7
			rxe@.service.8)
		string(REGEX MATCH "[0-9]$" section ${page})
		install(FILES packaging/man/${page}
			DESTINATION ${CMAKE_INSTALL_FULL_MANDIR}/man${section})
	endforeach()
endfunction()

# Installs the header and Module.symvers where builds of PeerDirect clients
# search for them; see packaging/ofa-kernel.
function(peermem_install_ofa_kernel)
	set(dir /usr/src/ofa_kernel)
	if(NOT CMAKE_INSTALL_PREFIX MATCHES "^/?(usr/?(local/?)?)?$")
		set(dir ${CMAKE_INSTALL_PREFIX}/src/ofa_kernel)
	endif()
	set(PEERMEM_OFA_DIR ${dir} CACHE PATH
		"Where builds of PeerDirect clients search for header and symbols")
	install(CODE "execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND
		${PROJECT_SOURCE_DIR}/packaging/ofa-kernel add
		\"\$ENV{DESTDIR}${PEERMEM_OFA_DIR}\" ${CMAKE_SYSTEM_PROCESSOR}
		${PEERMEM_KERNEL} ${PROJECT_BINARY_DIR}/kernel/Module.symvers
		${PROJECT_SOURCE_DIR}/include/rdma/peer_mem.h)")
endfunction()

# Installs the modules, and the headers and symbols that exporters build against.
function(peermem_install_modules)
	set(dir /lib/modules/${PEERMEM_KERNEL}/updates/peermem)
	if(NOT CMAKE_INSTALL_PREFIX MATCHES "^/?(usr/?(local/?)?)?$")
		set(dir ${CMAKE_INSTALL_PREFIX}${dir})
	endif()
	set(PEERMEM_MODULE_DIR ${dir} CACHE PATH "Folder to install modules into")
	foreach(module ${PEERMEM_MODULES})
		install(DIRECTORY ${PROJECT_BINARY_DIR}/kernel/${module}/
			DESTINATION ${PEERMEM_MODULE_DIR}
			FILES_MATCHING PATTERN "*.ko")
	endforeach()

	install(DIRECTORY include/rdma include/uapi
		DESTINATION ${CMAKE_INSTALL_PREFIX}/src/peermem/include
		FILES_MATCHING PATTERN "*.h")
	install(FILES ${PROJECT_BINARY_DIR}/kernel/Module.symvers packaging/peermem.mk
		DESTINATION ${CMAKE_INSTALL_PREFIX}/src/peermem)
	peermem_install_ofa_kernel()
	install(CODE "set(dir \"${PEERMEM_MODULE_DIR}\")
		set(kernel \"${PEERMEM_KERNEL}\")")
	install(SCRIPT cmake/index-modules.cmake)
endfunction()
