module openhearth

go 1.19
