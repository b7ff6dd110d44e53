module speed

go 1.21

require openhearth v0.0.0

replace openhearth => ../../../bindings/go
