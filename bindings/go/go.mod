module openhearth

go 1.21
