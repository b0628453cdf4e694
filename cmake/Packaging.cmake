# Debian packages: halving-server, halving-worker, halving-trainer and halving, the command line.
# scripts/package makes them. What only a package holds (units, /etc/halving, documents) is no part of a
# plain `cmake --install`.

set(copyright ${CMAKE_BINARY_DIR}/packaging/copyright)
file(CONFIGURE OUTPUT ${copyright} @ONLY CONTENT
"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Halving

Files: *
Copyright: The Halving authors
License: Apache-2.0
 On Debian systems the whole text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
")

# halving_package_file(COMPONENT DESTINATION FILES...): packages only.
function(halving_package_file component destination)
  install(FILES ${ARGN} DESTINATION ${destination} COMPONENT ${component} EXCLUDE_FROM_ALL)
endfunction()

# halving_package(COMPONENT NAME PROGRAM SUMMARY TEXT)
function(halving_package component name program summary text)
  string(TOUPPER ${component} upper)
  set(docs ${CMAKE_INSTALL_DATADIR}/doc/${name})
  halving_package_file(${component} ${docs} ${copyright})
  halving_sbom(${program} ${name})
  halving_package_file(${component} ${docs} ${CMAKE_BINARY_DIR}/sbom/${name}.cdx.json)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_FILE_NAME DEB-DEFAULT PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary}\n${text}" PARENT_SCOPE)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}\n${text}" PARENT_SCOPE)
endfunction()

# halving_sbom(PROGRAM NAME): what the program links, as CycloneDX, at build/.../sbom/NAME.cdx.json.
# The libraries that leave no trace in a binary, since they are headers, are named here.
set(HALVING_SBOM_halving-server libcli11-dev nlohmann-json3-dev libeigen3-dev libjs-chart.js)
set(HALVING_SBOM_halving-worker libcli11-dev nlohmann-json3-dev)
set(HALVING_SBOM_halving-trainer libcli11-dev nlohmann-json3-dev)
set(HALVING_SBOM_halving libcli11-dev nlohmann-json3-dev)
add_custom_target(sbom)
function(halving_sbom program name)
  set(output ${CMAKE_BINARY_DIR}/sbom/${name}.cdx.json)
  set(headers ${HALVING_SBOM_${name}})
  list(TRANSFORM headers PREPEND --header-only=)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${PROJECT_SOURCE_DIR}/scripts/sbom --name ${name} --version ${PROJECT_VERSION} ${headers}
            --output ${output} $<TARGET_FILE:${program}>
    DEPENDS ${program} ${PROJECT_SOURCE_DIR}/scripts/sbom
    COMMENT "Writing the bill of materials of ${name}"
    VERBATIM)
  add_custom_target(sbom_${name} DEPENDS ${output})
  add_dependencies(sbom sbom_${name})
endfunction()

# halving_control(COMPONENT FOLDER CONFFILE): its maintainer scripts and its one configuration file.
function(halving_control component folder conffile)
  string(TOUPPER ${component} upper)
  set(conffiles ${CMAKE_BINARY_DIR}/packaging/${component}/conffiles)
  file(CONFIGURE OUTPUT ${conffiles} CONTENT "${conffile}\n")
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA
      ${folder}/postinst ${folder}/prerm ${folder}/postrm ${conffiles} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_STRICT_PERMISSION ON PARENT_SCOPE)
endfunction()

set(units ${PROJECT_SOURCE_DIR}/deploy/systemd)

halving_package(server halving-server halving-server
  "queue and journal of hyper-parameter studies by successive halving"
  "The daemon that hands out trials to the workers of a cluster, and keeps\nwhat came of them. It serves gRPC, a page, a JSON API and metrics.")
halving_package_file(server /etc/halving ${units}/server.toml)
halving_package_file(server /lib/systemd/system ${units}/halving-server.service)
halving_control(server ${PROJECT_SOURCE_DIR}/deploy/deb/server /etc/halving/server.toml)

halving_package(worker halving-worker halving-worker
  "worker that trains what a halving-server hands out"
  "One for each GPU of a machine. It runs a training program, halving-trainer\nor one of yours, and reports the error that it reached.")
halving_package_file(worker /etc/halving ${units}/worker.toml)
halving_package_file(worker /lib/systemd/system ${units}/halving-worker@.service)
halving_control(worker ${PROJECT_SOURCE_DIR}/deploy/deb/worker /etc/halving/worker.toml)

if(TARGET halving-trainer)
  halving_package(trainer halving-trainer halving-trainer
    "training of LeNet, MLPs and ResNets for halving-worker"
    "The built-in training program of Halving's workers, on LibTorch.")
  set(trainer trainer)
endif()

halving_package(cli halving halving
  "command line for hyper-parameter studies by successive halving"
  "Plans, starts, watches and changes the studies of a halving-server, with manual\npages, completion for shells, documents and examples.")
set(docs ${CMAKE_INSTALL_DATADIR}/doc/halving)
halving_package_file(cli ${docs} ${PROJECT_SOURCE_DIR}/README.md)
install(FILES ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${docs} COMPONENT cli
        EXCLUDE_FROM_ALL OPTIONAL)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs ${PROJECT_SOURCE_DIR}/examples DESTINATION ${docs}
        COMPONENT cli EXCLUDE_FROM_ALL PATTERN __pycache__ EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL server worker ${trainer} cli)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_PACKAGE_NAME halving)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR "The Halving authors")
set(CPACK_PACKAGE_CONTACT "The Halving authors <halving@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/PreparePackages.cmake)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(same "(= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.51)")
set(CPACK_DEBIAN_SERVER_PACKAGE_RECOMMENDS "halving ${same}")
set(CPACK_DEBIAN_WORKER_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_WORKER_PACKAGE_RECOMMENDS "halving-trainer ${same}")
# Without OpenBLAS, LibTorch takes the slow reference BLAS.
set(CPACK_DEBIAN_TRAINER_PACKAGE_RECOMMENDS "libopenblas0-pthread, dataset-fashion-mnist")
include(CPack)
