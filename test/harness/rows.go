package harness

// WeatherTool is a tool that a row may offer to its model.
const WeatherTool = `{"type":"function","function":{"name":"get_weather","description":"now","parameters":` +
	`{"type":"object","properties":{"city":{"type":"string","minLength":2}},"required":["city"]}}}`
