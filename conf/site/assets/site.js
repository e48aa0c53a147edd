const output = document.getElementById("time");

async function refresh() {
    const response = await fetch("backend/time");

    if (response.ok) {
        const { time } = await response.json();
        output.value = new Date(time * 1000).toLocaleTimeString();
    }
}

refresh();
